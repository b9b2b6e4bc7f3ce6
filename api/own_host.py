"""Without keys, nothing of a page elsewhere: by a name that leads here (DNS rebinding), or from there."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import error_response

_MOST_REMEMBERED = 1_000
_CODES = {b"host": "strange_host", b"origin": "strange_origin"}


class OwnHostOnly:
    """Refuses requests whose ``Host`` or ``Origin`` names another computer; names without a dot are of this network.

    A browser sends a plain POST of any site's page before it asks whether it may, but it says where the page is from.

    Args:
        app: what answers the others.
        origins: of other sites whose pages may ask.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str] = ()) -> None:
        self._app = app
        self._origins = frozenset(origins)
        self._verdicts: dict[tuple[bytes, bytes], bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            said = [header for header in scope["headers"] if header[0] in _CODES]
            if not any(name == b"host" for name, _ in said):
                said.append((b"host", b""))
            for name, value in said:
                if not self._is_own(name, value):
                    shown = value.decode("latin-1")[:100]
                    message = f"{name.decode()}: must be this computer, since no keys are asked for; got {shown!r}"
                    await error_response(403, _CODES[name], message)(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _is_own(self, name: bytes, value: bytes) -> bool:
        own = self._verdicts.get((name, value))
        if own is None:
            text = value.decode("latin-1")
            own = is_own(text) if name == b"host" else self._may_ask(text)
            if len(self._verdicts) >= _MOST_REMEMBERED:
                self._verdicts.clear()
            self._verdicts[name, value] = own
        return own

    def _may_ask(self, origin: str) -> bool:
        if origin in self._origins or "*" in self._origins:
            return True
        scheme, _, host = origin.partition("://")  # a page without an origin says null
        return scheme in ("http", "https") and bool(host) and is_own(host)


def is_own(host: str) -> bool:
    """Tell whether the value of a ``Host`` header can only mean this computer or its network."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return "." not in name.rstrip(".") or name.rstrip(".").endswith(".localhost")

"""Without keys, no name of another computer: a page elsewhere could let its name lead to this one (DNS rebinding)."""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import error_response

_MOST_REMEMBERED = 1_000


class OwnHostOnly:
    """Refuses requests whose ``Host`` names another computer; names without a dot are of this network."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._verdicts: dict[bytes, bool] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "http":
            host = next((value for name, value in scope["headers"] if name == b"host"), b"")
            own = self._verdicts.get(host)
            if own is None:
                own = self._verdicts[host] = is_own(host.decode("latin-1"))
                if len(self._verdicts) > _MOST_REMEMBERED:
                    self._verdicts.clear()
            if not own:
                shown = host.decode("latin-1")[:100]
                message = f"host: must be this computer, since no keys are asked for; got {shown!r}"
                await error_response(403, "strange_host", message)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_own(host: str) -> bool:
    """Tell whether the value of a ``Host`` header can only mean this computer or its network."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return "." not in name.rstrip(".") or name.rstrip(".").endswith(".localhost")

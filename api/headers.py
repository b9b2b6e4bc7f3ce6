"""Headers of requests, and those that every answer carries, so that nothing is done with it that was not meant."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

DOCS = "/docs"
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer")]
_ANSWER = [*_PLAIN, (b"cache-control", b"no-store")]
_PAGE = [*_PLAIN, (b"content-security-policy", _PAGE_POLICY.encode())]
OF_AN_ANSWER = {name.decode(): value.decode() for name, value in _ANSWER}


def header(scope: Scope, name: bytes, default: str = "") -> str:
    """Return the first value of a request's header, without making an object of them all; its name in small letters."""
    for found, value in scope["headers"]:
        if found == name:
            return str(value.decode("latin-1"))
    return default


class AnswerHeaders:
    """Adds the headers; nothing on the way is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and add the headers to its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = _PAGE if scope["path"].startswith(DOCS) else _ANSWER

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers)

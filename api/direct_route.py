"""Routes whose endpoints read the request, and make the answer, themselves."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """Calls an endpoint that takes nothing but the request directly, and leaves all others to FastAPI.

    Looking for parameters, a body and dependencies that are not there took longer than most slates. What an endpoint
    raises gets its answer where FastAPI answers for its middleware, by the same handlers.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        takes = list(inspect.signature(endpoint).parameters)
        if takes == [self.dependant.request_param_name] and not self.dependencies:
            self.app = _answering(endpoint)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Tell whether a request is for this route; most are not, and that is told at once."""
        if not scope.get("root_path") and self.path_regex.match(scope["path"]) is None:
            return Match.NONE, {}
        return super().matches(scope)


def _answering(endpoint: Callable[[Request], Awaitable[Response]]) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return app

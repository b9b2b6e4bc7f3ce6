"""Who may pass: every address asks for the scope that it states, of the key that the request shows."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import error_response
from api.keyring import Holder, Keyring
from api.rate_limits import RateLimits, Wait
from api.scopes import OPEN, Needed, needed_by

KEY_ID = "liveshelf.key_id"
"""Where a request's scope says whose key it shows; nowhere where none is asked for."""
_BEARER = b"bearer "
_ASK = "authorization: must be `Bearer` and a key to this API, or x-api-key that key; got {}"


class UnguardedRoute(TypeError):
    """A route that the guard cannot stand before."""


class Guard:
    """Stands before the routes of one app.

    It asks once the route is found, so that what is checked is what would be served, however an address is written.
    """

    def __init__(self, keyring: Keyring, limits: RateLimits) -> None:
        self.keyring = keyring
        self.limits = limits

    def protect(self, app: FastAPI) -> None:
        """Stand before all routes that the app has by now.

        Raises:
            UnguardedRoute: a route is of a kind that has no one address, such as an included router.
        """
        app.router.routes[:] = [self._guarded(route) for route in app.router.routes]

    def _guarded(self, route: BaseRoute) -> BaseRoute:
        if not isinstance(route, Route):
            raise UnguardedRoute(f"route: must have an address and methods of its own; got {type(route).__name__}")
        if not route.methods:
            raise UnguardedRoute(f"route: must have methods; got none for {route.path}")
        needed = {method: needed_by(method.replace("HEAD", "GET"), route.path_format) for method in route.methods}
        if all(each == OPEN for each in needed.values()):
            return route
        guarded = copy.copy(route)  # the router that it comes from may be used for another app
        guarded.app = Gate(route.app, needed, self)
        return guarded


class Gate:
    """The door of one route."""

    def __init__(self, app: ASGIApp, needed: dict[str, Needed], guard: Guard) -> None:
        self._app = app
        self._needed = needed
        self._holder = guard.keyring.holder
        self._limits = guard.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass, or answer it with 401, 403 or 429."""
        shown = key_shown(scope["headers"])
        holder = self._holder(shown) if shown else None
        if holder is None:
            await _unauthorized(shown)(scope, receive, send)
            return
        needed = self._needed[scope["method"]]
        if needed not in holder.scopes and needed != OPEN:
            await _forbidden(needed, holder)(scope, receive, send)
            return
        if holder.rate:
            wait = await self._limits.take(holder.key_id, holder.rate)
            if wait is not None:
                await _too_many(holder, wait)(scope, receive, send)
                return
        scope[KEY_ID] = holder.key_id
        await self._app(scope, receive, send)


def key_shown(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the key that a request shows, empty or wrong as it may be; a bearer comes before ``x-api-key``."""
    found = None
    for name, value in headers:
        if name == b"authorization":
            if value[:7].lower() == _BEARER:
                return value[7:].strip()
        elif name == b"x-api-key":
            found = value
    return found


def _unauthorized(shown: bytes | None) -> Response:
    challenge = 'Bearer realm="liveshelf"' + (', error="invalid_token"' if shown else "")
    message = _ASK.format("another key" if shown else "none")
    return error_response(401, "unauthorized", message, headers={"WWW-Authenticate": challenge})


def _forbidden(needed: str, holder: Holder) -> Response:
    challenge = f'Bearer realm="liveshelf", error="insufficient_scope", scope="{needed}"'
    message = f"key: must have the scope {needed} for this address; got {_listed(sorted(holder.scopes))}"
    return error_response(403, "forbidden", message, headers={"WWW-Authenticate": challenge})


def _too_many(holder: Holder, wait: Wait) -> Response:
    seconds = max(1, math.ceil(wait.seconds))
    headers = {
        "Retry-After": str(seconds),
        "RateLimit-Policy": f'"key";q={wait.amount};w={wait.window_s}',
        "RateLimit": f'"key";r=0;t={seconds}',
    }
    message = f"requests: must be at most {holder.rate} with this key; try again in {seconds} s"
    return error_response(429, "too_many_requests", message, headers=headers)


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words)

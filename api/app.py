"""The service put together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import RedirectResponse

from api import docs_page, errors, health, hidden, ingest, models, slates, users
from api.backend import Backend
from api.cross_origin import CROSS_ORIGIN, allowed_origins
from api.description import describe
from api.erasures import Erasures
from api.guard import Guard
from api.headers import AnswerHeaders
from api.keyring import Keyring
from api.metrics import Metrics, RequestTimer
from api.own_host import OwnHostOnly
from api.rate_limits import PATIENCE_S, RateLimits
from recommender.installation import resolve_redis_url
from recommender.settings import Settings, require_loopback_for_dev

_log = logging.getLogger(__name__)

_TAGS = [
    {"name": "events", "description": "What shoppers do."},
    {"name": "catalogue", "description": "What the shop sells."},
    {"name": "slates", "description": "What a shopper should see now."},
    {"name": "users", "description": "What is held of a user: erased, or handed out."},
    {"name": "models", "description": "Which model is in service."},
    {"name": "operation", "description": "Whether the service does its work."},
]


def create_app(settings: Settings) -> FastAPI:
    """Make the service. Its connections are made, and its background work begins, when it is started.

    Raises:
        UnsafeSettings: no keys would be asked for, though others could reach it.
    """
    require_loopback_for_dev(settings)
    metrics = Metrics(shared=bool(settings.api_process))
    keyring = Keyring(settings)
    limits = RateLimits(
        lambda: resolve_redis_url(settings),
        metrics.rate_unchecked.inc,
        patience_s=max(PATIENCE_S, settings.deadline_ms / 1_000),  # who lets slates take longer waits as long here
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend = app.state.backend = Backend(settings, metrics)
        backend.start()
        erasures = app.state.erasures = Erasures(settings)
        erasures.start()
        for warning in [] if settings.dev else keyring.warnings():
            _log.warning("%s", warning)
        following = asyncio.create_task(keyring.follow())
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await limits.close()
            await asyncio.to_thread(erasures.close)
            await backend.close()

    app = FastAPI(
        title="Liveshelf",
        version=version("liveshelf"),
        description="Events in, slates out: real-time recommendations for online shops.",
        openapi_tags=_TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.keyring = keyring
    errors.register(app)
    origins = allowed_origins(settings.cors_origins)
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=origins, **CROSS_ORIGIN)
    if settings.dev:
        app.add_middleware(OwnHostOnly, origins=origins)
    app.add_middleware(AnswerHeaders)
    app.add_middleware(RequestTimer, metrics=metrics)
    for part in (slates, ingest, hidden, users, models, health, docs_page):
        app.router.routes.extend(part.router.routes)  # an included router would look for each route twice
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    if not settings.dev:
        Guard(keyring, limits).protect(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app

"""The service put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.responses import RedirectResponse

from api import errors, health, ingest, models, slates
from api.backend import Backend
from api.description import describe
from api.metrics import Metrics, RequestTimer
from recommender.settings import Settings, require_loopback_for_dev

_TAGS = [
    {"name": "events", "description": "What shoppers do."},
    {"name": "catalogue", "description": "What the shop sells."},
    {"name": "slates", "description": "What a shopper should see now."},
    {"name": "models", "description": "Which model is in service. Needs the admin key, `LIVESHELF_ADMIN_KEY`."},
    {"name": "operation", "description": "Whether the service does its work."},
]


def create_app(settings: Settings) -> FastAPI:
    """Make the service. Its connections are made, and its background work begins, when it is started.

    Raises:
        UnsafeSettings: no keys would be asked for, though others could reach it.
    """
    require_loopback_for_dev(settings)
    metrics = Metrics(shared=bool(settings.api_process))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        backend = app.state.backend = Backend(settings, metrics)
        backend.start()
        try:
            yield
        finally:
            await backend.close()

    app = FastAPI(
        title="Liveshelf",
        version=version("liveshelf"),
        description="Events in, slates out: real-time recommendations for online shops.",
        openapi_tags=_TAGS,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    errors.register(app)
    app.add_middleware(RequestTimer, metrics=metrics)
    for part in (ingest, slates, models, health):
        app.include_router(part.router)
    app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app

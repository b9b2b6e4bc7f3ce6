"""Addresses for those who watch over the service."""

from __future__ import annotations

import asyncio

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.answers import Alive, NotReady, Ready
from api.backend import Backend
from api.direct_route import DirectRoute
from api.errors import JSON, error_content
from api.keyring import Keyring
from api.shared_metrics import exposition_of_all
from recommender.installation import Installation
from recommender.settings import Settings

router = APIRouter(tags=["operation"], route_class=DirectRoute)


@router.get("/health/live", response_model=Alive)
async def live() -> Response:
    """Tell that the process answers."""
    return Response(b'{"status":"alive"}', media_type=JSON)


@router.get("/health/ready", response_model=Ready, responses={503: {"model": NotReady, "description": "Not ready"}})
async def ready(request: Request) -> Response:
    """Tell whether events are taken in and slates are whole: 503 with the reasons until then."""
    backend: Backend = request.app.state.backend
    problems = await backend.problems()
    if not problems:
        return Response(
            orjson.dumps({"status": "ready", "warnings": [*backend.warnings(), *_key_warnings(request)]}),
            media_type=JSON,
        )
    body = {"status": "not ready", "error": error_content("not_ready", problems[0], problems)}
    return Response(orjson.dumps(body), 503, media_type=JSON)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the metrics for Prometheus: of all processes, or on a private port of this one alone."""
    backend: Backend = request.app.state.backend
    settings = backend.settings
    backend.note_state()
    if settings.api_process and request.scope["server"][1] != settings.api_private_port:
        found = await asyncio.to_thread(exposition_of_all, Installation(settings.data_dir).metrics_dir)
    else:
        found = backend.metrics.exposition()
    return Response(found, media_type="text/plain; version=0.0.4; charset=utf-8")


def _key_warnings(request: Request) -> list[str]:
    keyring: Keyring = request.app.state.keyring
    settings: Settings = request.app.state.backend.settings
    return [] if settings.dev else keyring.warnings()

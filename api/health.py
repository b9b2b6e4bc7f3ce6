"""Addresses for those who watch over the service."""

from __future__ import annotations

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.answers import Alive, NotReady, Ready
from api.backend import Backend
from api.errors import JSON, error_content

router = APIRouter(tags=["operation"])


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
        return Response(orjson.dumps({"status": "ready", "warnings": backend.warnings()}), media_type=JSON)
    body = {"status": "not ready", "error": error_content("not_ready", problems[0], problems)}
    return Response(orjson.dumps(body), 503, media_type=JSON)


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Return the metrics for Prometheus."""
    backend: Backend = request.app.state.backend
    found = backend.metrics
    found.items.set(backend.table.items)
    found.model_failures.set(backend.watcher.failures)
    found.model_refused.set(backend.watcher.refusal is not None)
    found.model.clear()
    if backend.table.vectors is not None:
        found.model.labels(backend.table.vectors.model.version).set(1)
    return Response(found.exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")

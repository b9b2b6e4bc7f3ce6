"""Addresses that tell of models and change which one is in service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from api.answers import ActivationAnswer, ModelAnswer, ModelsAnswer
from api.backend import Backend
from api.errors import JSON, ErrorAnswer
from recommender.model.registry import Activated

T = TypeVar("T")

_UNKNOWN: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "No such version"},
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule"},
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": ErrorAnswer, "description": "It cannot be served, or others change models now; all stays as it is"},
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule"},
}
_Version = Annotated[str, Path(max_length=100, description="as `20261122T081500-0a1b`, or `current`")]
_Reason = Annotated[str, Query(max_length=200, description="kept in the history of activations")]

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("", response_model=ModelsAnswer)
async def models(request: Request) -> Response:
    """Tell of all model versions, the newest first, and of what is in service."""
    backend: Backend = request.app.state.backend
    current, found = await _alone(backend, lambda: (backend.models.current_version(), backend.models.overviews()))
    refused = backend.watcher.refusal
    return _answer(
        {
            "current": current,
            "serving": backend.watcher.serving,
            "refused": {
                "version": refused.version,
                "reason": refused.reason,
                "at": datetime.fromtimestamp(refused.at, UTC),
            }
            if refused
            else None,
            "models": [overview.summary() for overview in reversed(found)],
        }
    )


@router.get("/{version}", response_model=ModelAnswer, responses=_UNKNOWN)
async def model(request: Request, version: _Version) -> Response:
    """Tell all that is known of a version."""
    backend: Backend = request.app.state.backend
    registry = backend.models
    found = await _alone(backend, lambda: registry.overview(registry.named(version)))
    return _answer(found.whole())


@router.post("/rollback", response_model=ActivationAnswer, responses=_REFUSED)
async def rollback(request: Request, reason: _Reason = "") -> Response:
    """Make the version current that was so before; those that cannot be served are passed over.

    After a rollback, the next one goes further back.
    """
    backend: Backend = request.app.state.backend
    return await _change(backend, lambda: backend.models.rollback(reason=reason or "by the API"))


@router.post("/{version}/activate", response_model=ActivationAnswer, responses=_UNKNOWN | _REFUSED)
async def activate(request: Request, version: _Version, reason: _Reason = "") -> Response:
    """Make a version current, once all of it has been checked. It is in service within a second."""
    backend: Backend = request.app.state.backend
    registry = backend.models
    return await _change(backend, lambda: registry.activate(registry.named(version), reason=reason or "by the API"))


async def _change(backend: Backend, change: Callable[[], Activated]) -> Response:
    done = await _alone(backend, change)
    backend.watcher.wake()
    return _answer(done._asdict())


async def _alone(backend: Backend, work: Callable[[], T]) -> T:
    """Do something with the registry in a thread; one after the other, since each may read whole models."""
    async with backend.models_work:
        return await asyncio.to_thread(work)


def _answer(content: dict[str, Any]) -> Response:
    return Response(orjson.dumps(content), media_type=JSON)

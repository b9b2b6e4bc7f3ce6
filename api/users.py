"""Addresses by which the data of a user are erased and handed out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import msgspec
import redis
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import Field

from api.answers import Answer
from api.erasures import Erasures
from api.errors import JSON, RETRY_AFTER_S, ErrorAnswer, RequestProblem
from recommender.erasure.book import ErasureStatus
from recommender.events.fields import UserId

UserInPath = Annotated[UserId, Path()]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule"},
    503: {"model": ErrorAnswer, "description": "Redis or the event log does not answer: try again"},
}


class ErasureAnswer(Answer):
    """How far an erasure is. It does not name the user."""

    erasure_id: str
    status: Literal["pending", "complete"]
    phase: str = Field(description="what is being done: waiting, find, drop, sweep, clean, tell, close, complete")
    requested_at: str
    completed_at: str | None
    counts: dict[str, int] = Field(description="what was found of the user; all zero or empty for an unknown one")
    remarks: list[str] = Field(description="what could not be removed here, and when it goes")


router = APIRouter(tags=["users"], responses=_RESPONSES)


@router.delete("/v1/users/{user_id:path}", status_code=202, response_model=ErasureAnswer)
async def erase(request: Request, user_id: UserInPath) -> Response:
    """Erase all that is held of a user. It takes some seconds; asked again meanwhile, the same erasure goes on.

    What the user does after it is complete is a new beginning.
    """
    erasures: Erasures = request.app.state.erasures
    try:
        status = await asyncio.to_thread(erasures.request, user_id, _key_id(request))
    except redis.RedisError as error:
        raise _unavailable("the erasure is not noted") from error
    headers = {"Location": f"/v1/erasures/{status.erasure_id}"}
    return _answer(status, 202, headers)


@router.get(
    "/v1/erasures/{erasure_id}",
    response_model=ErasureAnswer,
    responses={404: {"model": ErrorAnswer, "description": "No such erasure"}},
)
async def erasure(request: Request, erasure_id: Annotated[str, Path(max_length=100)]) -> Response:
    """Tell how far an erasure is; kept for 400 days."""
    erasures: Erasures = request.app.state.erasures
    try:
        status = await asyncio.to_thread(erasures.book.status, erasure_id)
    except redis.RedisError as error:
        raise _unavailable("it is not known how far the erasure is") from error
    if status is None:
        raise RequestProblem(404, "unknown_erasure", "erasure_id: must be one that DELETE /v1/users/{id} has answered")
    return _answer(status, 200, {})


@router.get(
    "/v1/users/{user_id:path}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON: {"schema": {"type": "object"}}}, "description": "All that is held, one object"}},
)
async def export(request: Request, user_id: UserInPath) -> Response:
    """Hand out all that is held of a user: feature rows, events, history, dead letters, hidden items, cached slates."""
    erasures: Erasures = request.app.state.erasures
    try:
        pieces = await asyncio.to_thread(erasures.export, user_id, _key_id(request))
    except redis.RedisError as error:
        raise _unavailable("what is held cannot be read") from error
    return StreamingResponse(pieces, media_type=JSON)


def _key_id(request: Request) -> str:
    return str(request.scope.get("liveshelf.key_id", ""))


def _unavailable(what: str) -> RequestProblem:
    message = f"redis: must answer, so {what}; try again"
    return RequestProblem(503, "store_unavailable", message, headers={"Retry-After": str(RETRY_AFTER_S)})


def _answer(status: ErasureStatus, code: int, headers: dict[str, str]) -> Response:
    return Response(msgspec.json.encode(status), code, headers, JSON)

"""Addresses by which a shopper hides items, and shows them again."""

from __future__ import annotations

import logging
from typing import Annotated, Any

import orjson
import redis
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.answers import HiddenAnswer
from api.backend import Backend
from api.errors import JSON, RETRY_AFTER_S, ErrorAnswer, RequestProblem
from recommender.changes import HIDDEN, notice_command
from recommender.events.fields import ItemId, UserId
from recommender.serving.slate_store import hidden_place

router = APIRouter()
_log = logging.getLogger(__name__)

MOST_HIDDEN = 1_000
_UserInPath = Annotated[UserId, Path()]
_ItemInPath = Annotated[ItemId, Path()]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule, or too many items are hidden"},
    503: {"model": ErrorAnswer, "description": "Redis does not answer, or takes no changes; try again"},
}
_HIDE = """
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 0 and redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return -1
end
return redis.call('SADD', KEYS[1], ARGV[1])
"""
_FULL = -1


@router.put(
    "/v1/users/{user_id:path}/hidden/{item_id:path}",
    response_model=HiddenAnswer,
    responses=_RESPONSES,
    tags=["slates"],
)
async def hide(request: Request, user_id: _UserInPath, item_id: _ItemInPath) -> Response:
    """Keep an item out of a user's slates from now on."""
    return await _do(request, user_id, ("EVAL", _HIDE, 1, hidden_place(user_id), item_id, MOST_HIDDEN))


@router.delete(
    "/v1/users/{user_id:path}/hidden/{item_id:path}",
    response_model=HiddenAnswer,
    responses=_RESPONSES,
    tags=["slates"],
)
async def show_again(request: Request, user_id: _UserInPath, item_id: _ItemInPath) -> Response:
    """Let a hidden item into a user's slates again."""
    return await _do(request, user_id, ("SREM", hidden_place(user_id), item_id))


@router.get("/v1/users/{user_id:path}/hidden", response_model=HiddenAnswer, responses=_RESPONSES, tags=["slates"])
async def hidden(request: Request, user_id: _UserInPath) -> Response:
    """Tell which items a user has hidden."""
    return await _do(request, user_id, None)


async def _do(request: Request, user_id: str, change: tuple[str | int, ...] | None) -> Response:
    backend: Backend = request.app.state.backend
    try:
        async with backend.redis.pipeline(transaction=change is not None) as pipe:
            if change is not None:
                pipe.execute_command(*change)
            pipe.smembers(hidden_place(user_id))
            if change is not None:
                pipe.execute_command(*notice_command(HIDDEN, [user_id]))
            answers = await pipe.execute()
    except redis.ResponseError as error:  # it has no memory left, may not be written to, has lost its replicas
        _log.warning("hidden items: Redis refuses; %s", error)
        raise _unavailable("hidden items: Redis takes no changes now") from error
    except (redis.RedisError, OSError) as error:
        raise _unavailable("hidden items: Redis does not answer") from error
    if change is not None and answers[0] == _FULL:
        message = f"hidden: must be at most {MOST_HIDDEN:,} items; got one more"
        raise RequestProblem(422, "invalid_request", message, [message])
    members = answers[-2 if change is not None else -1]
    items = sorted(member.decode() for member in members)
    return Response(orjson.dumps({"user_id": user_id, "item_ids": items}), media_type=JSON)


def _unavailable(message: str) -> RequestProblem:
    return RequestProblem(503, "store_unavailable", message, [], {"Retry-After": str(RETRY_AFTER_S)})

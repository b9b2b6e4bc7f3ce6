"""Addresses that give slates and items out."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import TypeAdapter, ValidationError

from api.answers import ItemAnswer, RankAnswer, SlateAnswer, SurfacesAnswer
from api.backend import Backend
from api.body import parse_json, read_json_body
from api.description import EXPLAIN, QUESTION_BODY, RANK_BODY, question_parameters
from api.direct_route import DirectRoute
from api.errors import JSON, ErrorAnswer, invalid_request
from api.headers import header
from api.question import (
    Question,
    RankQuestion,
    SlateQuestion,
    question_in_address,
    rank_request,
    slate_request,
    unknown_surface,
    wants_explanations,
)
from api.rendering import item_info
from recommender.events import utc_from_us
from recommender.events.fields import ItemId, UserId
from recommender.serving.request import SlateRequest, UnknownItem
from recommender.serving.surfaces import Rules

router = APIRouter(route_class=DirectRoute)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "Unknown item or category"},
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule"},
}
_BODY_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "Not JSON, or not UTF-8"},
    413: {"model": ErrorAnswer, "description": "Too large a body"},
    415: {"model": ErrorAnswer, "description": "Another content type than application/json"},
}
Q = TypeVar("Q", bound=Question)
_USER_ID: TypeAdapter[str] = TypeAdapter(UserId)
_ITEM_ID: TypeAdapter[str] = TypeAdapter(ItemId)


@router.get(
    "/v1/users/{user_id:path}/recommendations",
    response_model=SlateAnswer,
    responses=_RESPONSES,
    openapi_extra={"parameters": question_parameters("user_id")},
    tags=["slates"],
)
async def user_slate(request: Request) -> Response:
    """Recommend items to a known user, as of this moment."""
    return await _ask(request, user_id=_in_path(_USER_ID, request, "user_id"))


@router.post(
    "/v1/recommendations",
    response_model=SlateAnswer,
    responses=_RESPONSES | _BODY_RESPONSES,
    openapi_extra={"requestBody": QUESTION_BODY, "parameters": [EXPLAIN]},
    tags=["slates"],
)
async def slate(request: Request) -> Response:
    """Recommend items to a user, to an anonymous session or to nobody in particular."""
    question = await _question(request, SlateQuestion)
    rules, version = _rules(request, question.surface)
    asked = slate_request(question, rules)
    return await _answer(request, question.surface, asked, rules, version, wants_explanations(request))


@router.post(
    "/v1/rank",
    response_model=RankAnswer,
    responses=_RESPONSES | _BODY_RESPONSES,
    openapi_extra={"requestBody": RANK_BODY, "parameters": [EXPLAIN]},
    tags=["slates"],
)
async def rank(request: Request) -> Response:
    """Put items of the caller's in the order in which this shopper will like them.

    Those that cannot be sold now, or that a rule leaves out, are named apart.
    """
    question = await _question(request, RankQuestion)
    rules, version = _rules(request, question.surface)
    asked = rank_request(question, rules)
    return await _answer(request, question.surface, asked, rules, version, wants_explanations(request))


@router.get(
    "/v1/items/{item_id:path}/similar",
    response_model=SlateAnswer,
    responses=_RESPONSES,
    openapi_extra={"parameters": question_parameters("item_id", "surface", "query")},
    tags=["slates"],
)
async def similar(request: Request) -> Response:
    """Give items that are like an item, or that shoppers look at together with it."""
    return await _ask(request, item_id=_in_path(_ITEM_ID, request, "item_id"), surface="similar")


@router.get(
    "/v1/items/{item_id:path}/bought-together",
    response_model=SlateAnswer,
    responses=_RESPONSES,
    openapi_extra={"parameters": question_parameters("item_id", "surface", "query")},
    tags=["slates"],
)
async def bought_together(request: Request) -> Response:
    """Give items that shoppers buy together with an item."""
    return await _ask(request, item_id=_in_path(_ITEM_ID, request, "item_id"), surface="bought_together")


@router.get(
    "/v1/trending",
    response_model=SlateAnswer,
    responses=_RESPONSES,
    openapi_extra={"parameters": question_parameters(None, "surface", "item_id", "query")},
    tags=["slates"],
)
async def trending(request: Request) -> Response:
    """Give the items in demand now, in the whole shop or in a category and below it."""
    return await _ask(request, surface="trending")


@router.get("/v1/surfaces", response_model=SurfacesAnswer, tags=["slates"])
async def surfaces(request: Request) -> Response:
    """Tell which surfaces, campaigns and age limits are in service."""
    book = _backend(request).surfaces.book
    return Response(orjson.dumps(book.content.model_dump(mode="json")), media_type=JSON)


@router.get(
    "/v1/items/{item_id:path}",
    response_model=ItemAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    tags=["catalogue"],
)
async def item(request: Request, item_id: Annotated[ItemId, Path()]) -> Response:
    """Tell what is known of an item."""
    table = _backend(request).table
    row = table.row_of(item_id)
    if row is None:
        raise UnknownItem(item_id)
    catalogue = table.catalogue[row]
    answer = {
        **item_info(item_id, catalogue),
        "available": bool(table.available[row]),
        "also_viewed": [table.ids[near] for near in table.also_viewed[row].rows],
        "also_bought": [table.ids[near] for near in table.also_bought[row].rows],
        "feature_time": None,
    }
    if catalogue is not None:
        answer |= {"tags": catalogue.tags, "feature_time": utc_from_us(catalogue.feature_time_us)}
        if catalogue.stock >= 0:
            answer["stock"] = catalogue.stock
    return Response(orjson.dumps(answer), media_type=JSON)


async def _ask(request: Request, **fixed: str) -> Response:
    question, explain = question_in_address(request, **fixed)
    rules, version = _rules(request, question.surface)
    return await _answer(request, question.surface, slate_request(question, rules), rules, version, explain)


async def _answer(
    request: Request, surface: str, asked: SlateRequest, rules: Rules, version: str, explain: bool
) -> Response:
    bypass = "no-cache" in header(request.scope, b"cache-control")
    content, x_cache = await _backend(request).answering.answer(
        surface, asked, rules, version, explain=explain, bypass=bypass
    )
    return Response(content, headers={"x-cache": x_cache}, media_type=JSON)


async def _question(request: Request, kind: type[Q]) -> Q:
    body = await read_json_body(request, _backend(request).settings.max_body_bytes)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        parse_json(body)  # says so if it is not JSON at all
        raise invalid_request(error, "body") from None


def _rules(request: Request, surface: str) -> tuple[Rules, str]:
    backend = _backend(request)
    book, now_s = backend.surfaces.book, backend.clock()
    rules = book.rules(surface, now_s)
    if rules is None:
        raise unknown_surface(surface, book.content.surfaces)
    return rules, book.version(now_s)


def _in_path(kind: TypeAdapter[str], request: Request, name: str) -> str:
    try:
        return kind.validate_python(request.path_params[name])
    except ValidationError as error:
        raise invalid_request(error, f"path.{name}") from None


def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend

"""Addresses that give slates and items out."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import UTC
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import ValidationError

from api.answers import ItemAnswer, SlateAnswer
from api.backend import Backend, ShopperUnavailable
from api.body import parse_json, read_json_body
from api.description import QUESTION_BODY
from api.errors import JSON, ErrorAnswer, RequestProblem, invalid_request
from api.question import DEFAULT_N, CategoryKey, N, SlateQuestion
from recommender.events import utc_from_us
from recommender.events.fields import ItemId, SessionId, ShortText, UserId
from recommender.features import ItemCatalogue
from recommender.serving.item_table import ItemTable
from recommender.serving.recommender import recommend
from recommender.serving.request import Slate, SlateRequest, Surface, UnknownItem
from recommender.store import Shopper

router = APIRouter()

_RESPONSES: dict[int | str, dict[str, Any]] = {
    404: {"model": ErrorAnswer, "description": "Unknown item or category"},
    422: {"model": ErrorAnswer, "description": "A parameter breaks its rule"},
}
_NEEDS = {Surface.SIMILAR: "item_id", Surface.CATEGORY: "category", Surface.SEARCH: "query"}

_log = logging.getLogger(__name__)


@router.get(
    "/v1/users/{user_id:path}/recommendations", response_model=SlateAnswer, responses=_RESPONSES, tags=["slates"]
)
async def user_slate(
    request: Request,
    user_id: Annotated[UserId, Path()],
    n: Annotated[N, Query()] = DEFAULT_N,
    surface: Annotated[Surface, Query()] = Surface.HOME,
    session_id: Annotated[SessionId | None, Query()] = None,
    item_id: Annotated[ItemId | None, Query()] = None,
    category: Annotated[CategoryKey | None, Query()] = None,
    query: Annotated[ShortText | None, Query()] = None,
) -> Response:
    """Recommend items to a known user, as of this moment."""
    started = time.perf_counter()
    question = SlateRequest(surface, n, user_id, session_id, _anchor(surface, item_id), category or None, query or "")
    return await _answer(request, question, started)


@router.post(
    "/v1/recommendations",
    response_model=SlateAnswer,
    responses={**_RESPONSES, 400: {"model": ErrorAnswer}, 413: {"model": ErrorAnswer}, 415: {"model": ErrorAnswer}},
    openapi_extra={"requestBody": QUESTION_BODY},
    tags=["slates"],
)
async def slate(request: Request) -> Response:
    """Recommend items to a user, to an anonymous session or to nobody in particular."""
    started = time.perf_counter()
    backend: Backend = request.app.state.backend
    body = await read_json_body(request, backend.settings.max_body_bytes)
    try:
        asked = SlateQuestion.model_validate_json(body)
    except ValidationError as error:
        parse_json(body)  # says so if it is not JSON at all
        raise invalid_request(error, "body") from None
    question = SlateRequest(
        asked.surface,
        asked.n,
        asked.user_id,
        asked.session_id,
        _anchor(asked.surface, asked.item_id),
        asked.category or None,
        asked.query or "",
        asked.device or "",
        asked.country or "",
        frozenset(asked.exclude_item_ids),
    )
    return await _answer(request, question, started)


@router.get("/v1/items/{item_id:path}/similar", response_model=SlateAnswer, responses=_RESPONSES, tags=["slates"])
async def similar(
    request: Request, item_id: Annotated[ItemId, Path()], n: Annotated[N, Query()] = DEFAULT_N
) -> Response:
    """Give items that are like an item, or that shoppers look at together with it."""
    return await _answer(request, SlateRequest(Surface.SIMILAR, n, item_id=item_id), time.perf_counter())


@router.get("/v1/trending", response_model=SlateAnswer, responses=_RESPONSES, tags=["slates"])
async def trending(
    request: Request,
    category: Annotated[CategoryKey | None, Query()] = None,
    n: Annotated[N, Query()] = DEFAULT_N,
) -> Response:
    """Give the items in demand now, in the whole shop or in a category and below it."""
    question = SlateRequest(Surface.TRENDING, n, category=category or None)
    return await _answer(request, question, time.perf_counter())


@router.get(
    "/v1/items/{item_id:path}",
    response_model=ItemAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    tags=["catalogue"],
)
async def item(request: Request, item_id: Annotated[ItemId, Path()]) -> Response:
    """Tell what is known of an item."""
    table = _table(request)
    row = table.row_of(item_id)
    if row is None:
        raise UnknownItem(item_id)
    catalogue = table.catalogue[row]
    answer = {
        **_item_info(item_id, catalogue),
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


def _anchor(surface: Surface, item_id: str | None) -> str | None:
    return item_id if surface is Surface.SIMILAR else None


async def _answer(request: Request, question: SlateRequest, started: float) -> Response:
    backend: Backend = request.app.state.backend
    needed = _NEEDS.get(question.surface)
    if needed and not getattr(question, needed):
        message = f"{needed}: is required on surface {question.surface.value}"
        raise RequestProblem(422, "invalid_request", message, [message])
    shopper = Shopper(None, [])
    store_available = True
    now_us = time.time_ns() // 1000
    if question.user_id is not None or question.session_id is not None:
        try:
            shopper = await backend.shopper(question.user_id, question.session_id, now_us)
        except ShopperUnavailable as error:
            store_available = False
            _log.warning("slate without the shopper's features: %s", error)
    found = recommend(
        backend.table,
        question,
        shopper,
        now_us=now_us,
        store_available=store_available,
    )
    fallback = found.fallback.value if found.fallback else None
    backend.metrics.slates.labels(question.surface.value, fallback or "none").inc()
    answer = {
        "slate_id": uuid.uuid4().hex,
        "surface": question.surface.value,
        "items": _entries(backend.table, found),
        "model_version": found.model_version,
        "feature_time": utc_from_us(shopper.feature_time_us).astimezone(UTC) if shopper.feature_time_us else None,
        "fallback": fallback,
        "took_ms": round((time.perf_counter() - started) * 1000, 3),
    }
    return Response(orjson.dumps(answer), media_type=JSON)


def _entries(table: ItemTable, found: Slate) -> list[dict[str, object]]:
    return [
        {
            **_item_info(table.ids[entry.row], table.catalogue[entry.row]),
            "position": position,
            "score": round(entry.score, 6),
            "source": entry.source,
        }
        for position, entry in enumerate(found.items)
    ]


def _item_info(item_id: str, catalogue: ItemCatalogue | None) -> dict[str, object]:
    info: dict[str, object] = {"item_id": item_id}
    if catalogue is None:
        return info
    for name in ("title", "category", "brand", "image_url", "page_url"):
        value = getattr(catalogue, name)
        if value:
            info[name] = value
    if catalogue.price_cents >= 0:
        info["price_cents"] = catalogue.price_cents
        info["currency"] = catalogue.currency
    return info


def _table(request: Request) -> ItemTable:
    backend: Backend = request.app.state.backend
    return backend.table

"""Addresses that take events and the catalogue in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response

from api.answers import EventsAnswer, NoneAccepted
from api.backend import Backend
from api.body import parse_json, read_json_body
from api.description import BULK_ITEMS_BODY, BULK_STOCK_BODY, EVENTS_BODY, ITEM_BODY, STOCK_BODY
from api.direct_route import DirectRoute
from api.errors import JSON, ErrorAnswer, error_content
from api.judgement import Complete, Refusal, judge_events, judge_values, results
from recommender.eventlog import record_of
from recommender.events import AnyEvent, InvalidEvent
from recommender.events.fields import ItemId

router = APIRouter(route_class=DirectRoute)

ItemInPath = Annotated[ItemId, Path()]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "Not JSON, or not UTF-8"},
    413: {"model": ErrorAnswer, "description": "Too many entries, or too large a body"},
    415: {"model": ErrorAnswer, "description": "Another content type than application/json"},
    422: {"model": NoneAccepted | ErrorAnswer, "description": "None was accepted"},
    503: {"model": ErrorAnswer, "description": "Not confirmed by the event log: send it again, with the same event_id"},
}


@router.post(
    "/v1/events",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    openapi_extra={"requestBody": EVENTS_BODY},
    tags=["events"],
)
async def post_events(request: Request) -> Response:
    """Take one event, or an array of them. Each is judged on its own; accepted ones are in the event log.

    A retry carries the same `event_id` and counts once.
    """
    backend: Backend = request.app.state.backend
    body = await read_json_body(request, backend.settings.max_body_bytes)
    return await _accept(backend, judge_events(body, backend.settings.max_batch_events, datetime.now(UTC)))


@router.put(
    "/v1/items/{item_id:path}/stock",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    openapi_extra={"requestBody": STOCK_BODY},
    tags=["catalogue"],
)
async def put_stock(request: Request, item_id: ItemInPath) -> Response:
    """Set how many units of an item are in stock; with 0 it leaves all slates."""
    return await _catalogue(request, _completing("stock_change", item_id), one=True)


@router.post(
    "/v1/stock",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    openapi_extra={"requestBody": BULK_STOCK_BODY},
    tags=["catalogue"],
)
async def post_stock(request: Request) -> Response:
    """Set the stock of many items."""
    return await _catalogue(request, _completing("stock_change", None))


@router.put(
    "/v1/items/{item_id:path}",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    openapi_extra={"requestBody": ITEM_BODY},
    tags=["catalogue"],
)
async def put_item(request: Request, item_id: ItemInPath) -> Response:
    """Describe an item, whole: what is left out is unknown from now on."""
    return await _catalogue(request, _completing("item_upsert", item_id), one=True)


@router.post(
    "/v1/items",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses=_RESPONSES,
    openapi_extra={"requestBody": BULK_ITEMS_BODY},
    tags=["catalogue"],
)
async def post_items(request: Request) -> Response:
    """Describe many items."""
    return await _catalogue(request, _completing("item_upsert", None))


@router.delete(
    "/v1/items/{item_id:path}",
    status_code=202,
    response_model=EventsAnswer,
    response_model_exclude_none=True,
    responses={422: _RESPONSES[422], 503: _RESPONSES[503]},
    tags=["catalogue"],
)
async def delete_item(request: Request, item_id: ItemInPath) -> Response:
    """Take an item out of the catalogue; it leaves all slates."""
    backend: Backend = request.app.state.backend
    verdicts = judge_values({}, 1, datetime.now(UTC), _completing("item_delete", item_id))
    return await _accept(backend, verdicts)


async def _catalogue(request: Request, complete: Complete, *, one: bool = False) -> Response:
    backend: Backend = request.app.state.backend
    value = parse_json(await read_json_body(request, backend.settings.max_body_bytes))
    if one and isinstance(value, list):
        value = [value]  # an array is no object, and is refused as one entry
    most = backend.settings.max_batch_events
    return await _accept(backend, judge_values(value, most, datetime.now(UTC), complete))


def _completing(kind: str, item_id: str | None) -> Complete:
    """Return what makes a catalogue event of a description: kind, id and time are added where they are missing."""

    def complete(value: dict[str, Any]) -> dict[str, Any]:
        added = {"kind": kind, "event_id": uuid.uuid4().hex, "event_time": datetime.now(UTC).isoformat()}
        if item_id is not None:
            added["item_id"] = item_id
        if value.get("kind", kind) != kind:
            raise InvalidEvent(f"{kind}.kind: must be {kind!r} at this address; got {str(value['kind'])[:80]!r}")
        if item_id is not None and value.get("item_id", item_id) != item_id:
            raise InvalidEvent(
                f"{kind}.item_id: must be the one in the address, {item_id!r}; got {str(value['item_id'])[:80]!r}"
            )
        return added | value

    return complete


async def _accept(backend: Backend, verdicts: Sequence[AnyEvent | Refusal]) -> Response:
    records = [record_of(verdict) for verdict in verdicts if not isinstance(verdict, Refusal)]
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refusal)]
    if refusals:
        backend.letterbox.post((refusal.reason, refusal.payload) for refusal in refusals)
        backend.metrics.events.labels("rejected").inc(len(refusals))
    if records:
        await backend.appender.append(records)
        backend.metrics.events.labels("accepted").inc(len(records))
    answer: dict[str, object] = {"accepted": len(records), "rejected": len(refusals), "results": results(verdicts)}
    if not records:
        reasons = [refusal.reason for refusal in refusals]
        answer["error"] = error_content("none_accepted", reasons[0], reasons[:5])
    return Response(orjson.dumps(answer), 202 if records else 422, media_type=JSON)

"""Judging what comes in: each event on its own, with the reason where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

from api.body import parse_json
from api.errors import RequestProblem
from recommender.events import EVENT, AnyEvent, InvalidEvent, decode_event, encode_event, refuse_future
from recommender.events.codec import MOST_EVENT_BYTES

_EVENTS: TypeAdapter[list[AnyEvent]] = TypeAdapter(list[AnyEvent])
_MOST_ID_CHARACTERS = 128

Complete = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a whole event of the part that the caller sends; raises ``InvalidEvent``."""


class Refusal(NamedTuple):
    """Why an event was not accepted."""

    event_id: str | None
    reason: str
    payload: bytes


def judge_events(body: bytes, most: int, now: datetime) -> list[AnyEvent | Refusal]:
    """Judge a body of one event or an array of events; in the order in which they came.

    Raises:
        RequestProblem: the body is not JSON, is neither object nor array, or holds none or too many.
    """
    events = _if_all_valid(body)
    if events is not None:
        _check_count(len(events), most)
        return [_in_time(event, now) for event in events]
    return judge_values(parse_json(body), most, now, lambda value: value)


def _if_all_valid(body: bytes) -> list[AnyEvent] | None:
    """Read the events at once; None says no more than that each is to be looked at on its own."""
    try:
        if body.lstrip()[:1] == b"[":
            return _EVENTS.validate_json(body)
        return [EVENT.validate_json(body)] if len(body) <= MOST_EVENT_BYTES else None
    except ValidationError:
        return None


def judge_values(value: Any, most: int, now: datetime, complete: Complete) -> list[AnyEvent | Refusal]:
    """Judge an object or an array of them, each completed to an event.

    Raises:
        RequestProblem: it is neither, or there are none or too many.
    """
    if not isinstance(value, dict | list):
        raise RequestProblem(
            422, "invalid_request", f"body: must be an object or an array of objects; got {repr(value)[:80]}"
        )
    values = value if isinstance(value, list) else [value]
    _check_count(len(values), most)
    return [_judge(each, now, complete) for each in values]


def _judge(value: Any, now: datetime, complete: Complete) -> AnyEvent | Refusal:
    payload = to_json(value, inf_nan_mode="constants")
    try:
        if isinstance(value, dict):
            completed = complete(value)
            if completed is not value:
                value, payload = completed, to_json(completed, inf_nan_mode="constants")
        event = decode_event(payload)
    except InvalidEvent as error:
        return Refusal(_event_id(value), str(error), payload)
    return _in_time(event, now)


def _in_time(event: AnyEvent, now: datetime) -> AnyEvent | Refusal:
    try:
        refuse_future(event, now)
    except InvalidEvent as error:
        return Refusal(event.event_id, str(error), encode_event(event))
    return event


def _check_count(count: int, most: int) -> None:
    if count == 0:
        raise RequestProblem(422, "invalid_request", "body: must hold at least 1 entry; got 0")
    if count > most:
        raise RequestProblem(413, "batch_too_large", f"body: must hold at most {most} entries; got {count}")


def _event_id(value: Any) -> str | None:
    event_id = value.get("event_id") if isinstance(value, dict) else None
    return event_id[:_MOST_ID_CHARACTERS] if isinstance(event_id, str) else None


def results(verdicts: Iterable[AnyEvent | Refusal]) -> list[dict[str, object]]:
    """Return what the caller is told of each event."""
    return [
        {"index": index, "event_id": verdict.event_id, "status": "rejected", "error": verdict.reason}
        if isinstance(verdict, Refusal)
        else {"index": index, "event_id": verdict.event_id, "status": "accepted"}
        for index, verdict in enumerate(verdicts)
    ]

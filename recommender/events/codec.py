"""Reading events from JSON and writing them, with errors that name the field, the rule and the value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from recommender.events.catalogue import ItemDelete, ItemUpsert, StockChange
from recommender.events.fields import MICROSECONDS
from recommender.events.shopper import (
    AddToCart,
    AddToWishlist,
    BeginCheckout,
    Click,
    Exposure,
    Payment,
    Purchase,
    Refund,
    RemoveFromCart,
    RemoveFromWishlist,
    Search,
    SurveyAnswer,
    View,
)

AnyShopperEvent = Annotated[
    View
    | Click
    | Search
    | AddToCart
    | RemoveFromCart
    | AddToWishlist
    | RemoveFromWishlist
    | BeginCheckout
    | Purchase
    | Payment
    | Refund
    | SurveyAnswer
    | Exposure,
    Field(discriminator="kind"),
]
AnyCatalogueEvent = Annotated[ItemUpsert | ItemDelete | StockChange, Field(discriminator="kind")]
AnyEvent = Annotated[AnyShopperEvent | AnyCatalogueEvent, Field(discriminator="kind")]

EVENT: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

FUTURE_LIMIT = timedelta(minutes=5)
"""How far an event time may lie ahead of our clock before the event is refused."""

MOST_EVENT_BYTES = 2 * 1024 * 1024
"""No valid event is longer, unless it is filled up with white space or digits."""

_VALUE_LENGTH = 80
_PLACE_LENGTH = 160
_MAX_PROBLEMS = 5
_MOST_PROBLEMS = 1_000


class InvalidEvent(ValueError):
    """An event breaks a rule; the text names each field, its rule and its value."""


def decode_event(payload: bytes | str) -> AnyEvent:
    """Read one event from JSON.

    Raises:
        InvalidEvent: the payload is not JSON, or breaks a rule of its kind.
    """
    if len(payload) > MOST_EVENT_BYTES:
        raise InvalidEvent(f"event: must not be longer than {MOST_EVENT_BYTES:,} bytes; got {len(payload):,}")
    try:
        return EVENT.validate_json(payload)
    except ValidationError as error:
        raise InvalidEvent(explain(error)) from None


def encode_event(event: AnyEvent) -> bytes:
    """Write one event as JSON without its empty fields; ``decode_event`` gives an equal event back."""
    return EVENT.dump_json(event, exclude_none=True, exclude_defaults=False)


def refuse_future(event: AnyEvent, now: datetime) -> None:
    """Refuse an event whose time lies more than ``FUTURE_LIMIT`` ahead of ``now``.

    Raises:
        InvalidEvent: the event comes from the future, so some clock is wrong.
    """
    if event.event_time > now + FUTURE_LIMIT:
        minutes = int(FUTURE_LIMIT.total_seconds() // 60)
        raise InvalidEvent(
            f"{event.kind}.event_time: must not be more than {minutes} minutes ahead of the server's clock; "
            f"got {event.event_time.isoformat()}"
        )


def explain(error: ValidationError) -> str:
    """Return the errors of pydantic as ``field: rule; got value``, at most five of them."""
    if error.error_count() > _MOST_PROBLEMS:  # to list them all takes a second for each million
        return f"event: must not break a rule in more than {_MOST_PROBLEMS:,} places; got {error.error_count():,}"
    problems = error.errors(include_url=False)
    lines = [explain_problem(problem) for problem in problems[:_MAX_PROBLEMS]]
    if len(problems) > _MAX_PROBLEMS:
        lines.append(f"and {len(problems) - _MAX_PROBLEMS} more")
    return " | ".join(lines)


def explain_problem(problem: Any) -> str:
    """Return one of pydantic's error records as ``field: rule; got value``."""
    if problem["type"] == "union_tag_not_found":
        return "event.kind: Field required"
    if problem["type"] == "union_tag_invalid":
        return f"event.kind: must be one of {problem['ctx']['expected_tags']}; got {_shown(problem['ctx']['tag'])}"
    where = _cut(".".join(str(part) for part in problem["loc"]) or "event", _PLACE_LENGTH)
    rule = problem["msg"].removeprefix("Value error, ")
    if problem["type"] in ("missing", "json_invalid"):
        return f"{where}: {rule}"
    return f"{where}: {rule}; got {'an object' if isinstance(problem['input'], dict) else _shown(problem['input'])}"


def _shown(value: Any) -> str:
    return _cut(repr(value), _VALUE_LENGTH)


def _cut(text: str, length: int) -> str:
    short = text if len(text) <= length else text[: length - 1] + "…"
    return short if short.isprintable() else repr(short)[1:-1]  # the name of a field may be any text


def utc_from_us(time_us: int) -> datetime:
    """Return microseconds since 1970-01-01 UTC as a datetime in UTC, exact to the microsecond."""
    return datetime.fromtimestamp(time_us // MICROSECONDS, UTC).replace(microsecond=time_us % MICROSECONDS)

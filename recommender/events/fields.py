"""The field types that events share, each with its rule and its meaning."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

ID_PATTERN = r"^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$"
"""No control characters, no white space at either end."""

CATEGORY_SEPARATOR = " > "
CATEGORY_NAME_PATTERN = r"^[^>\x00-\x1f]+$"

IMPLICIT_SESSION_PREFIX = "user:"
"""Begins the session id that stands for a known shopper's events without one."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MICROSECONDS = 1_000_000


def _identifier(description: str) -> Any:
    return Field(min_length=1, max_length=128, pattern=ID_PATTERN, description=description)


def not_implicit(session_id: str) -> str:
    """Refuse a session id that stands for a known shopper."""
    if session_id.startswith(IMPLICIT_SESSION_PREFIX):
        raise ValueError(f"must not begin with {IMPLICIT_SESSION_PREFIX!r}, which names the sessions of known users")
    return session_id


def read_time(value: object, read: ValidatorFunctionWrapHandler) -> datetime:
    """Read an event time into UTC, stricter than Pydantic itself does."""
    # Pydantic itself would take the number 20261122, and the text too, for seconds since 1970.
    if not isinstance(value, datetime) and not (isinstance(value, str) and value[4:5] == "-"):
        raise ValueError("must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00")
    moment: datetime = read(value)
    if moment <= EPOCH:
        raise ValueError("must lie after 1970-01-01T00:00:00Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie before the year 10000 in UTC") from None


EventId = Annotated[str, _identifier("unique per event; a retry carries the same one and counts once")]
UserId = Annotated[str, _identifier("the shop's id of a known shopper")]
SessionId = Annotated[
    str,
    _identifier("the shop's id of a visit or a device; enough for an anonymous shopper; never begins with user:"),
    AfterValidator(not_implicit),
]
ItemId = Annotated[str, _identifier("the shop's id of an item")]
OrderId = Annotated[str, _identifier("the shop's id of an order")]
SlateId = Annotated[str, _identifier("the slate that the shopper saw, as the API named it")]
ShortText = Annotated[str, StringConstraints(min_length=1, max_length=256)]
LongText = Annotated[str, StringConstraints(max_length=2_000)]
EventTime = Annotated[
    AwareDatetime,
    WrapValidator(read_time),
    Field(strict=False, description="when it happened: ISO 8601 with an offset, kept as UTC to the microsecond"),
]
Cents = Annotated[int, Field(ge=0, le=10**12, description="amount in minor units of the currency [cents]")]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="ISO 4217 code")]
_EXACT = Field(gt=-(2**53), lt=2**53)
Number = Annotated[int, _EXACT] | Annotated[float, _EXACT, Field(allow_inf_nan=False)]
"""A number that every reader of JSON holds, whole numbers to the last digit."""
Quantity = Annotated[int, Field(ge=1, le=1_000_000, description="number of units [count]")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Field(description="ISO 3166-1 alpha-2 code")]
CategoryName = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=CATEGORY_NAME_PATTERN)]
CategoryPath = Annotated[
    tuple[CategoryName, ...],
    Field(max_length=8, description='path from the root, for example ["Shoes", "Running"]'),
]


def category_key(path: tuple[str, ...]) -> str:
    """Return the path as one string, ``"Shoes > Running"``; the empty string for no category."""
    return path[0] if len(path) == 1 else CATEGORY_SEPARATOR.join(path)


def category_levels(key: str) -> list[str]:
    """Return the key of a category and of all its ancestors, the root first."""
    if CATEGORY_SEPARATOR not in key:
        return [key] if key else []
    names = key.split(CATEGORY_SEPARATOR)
    return [CATEGORY_SEPARATOR.join(names[: depth + 1]) for depth in range(len(names))]

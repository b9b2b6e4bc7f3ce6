"""Times and amounts of the public formats, as events want them; all of it exact."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from recommender.events import MICROSECONDS, utc_from_us
from recommender.loaders.rows import UnmappableRow

_CENT = Decimal(1)


def from_epoch(text: str, field: str, units_per_second: int = 1) -> str:
    """Return an epoch time as ISO 8601 in UTC, exact to the microsecond.

    Args:
        text: a number, such as ``1511658000`` or ``1396860669.277``.
        field: the column, for the message.
        units_per_second: 1 for seconds, 1,000 for milliseconds.

    Raises:
        UnmappableRow: not a number, or a year that does not exist.
    """
    try:
        ticks = int(text) if text.isdigit() else Decimal(text)
        return utc_from_us(int(ticks * (MICROSECONDS // units_per_second))).isoformat()
    except (ArithmeticError, ValueError, OSError):
        unit = {1: "seconds", 1_000: "milliseconds"}[units_per_second]
        raise UnmappableRow(f"{field}: must be {unit} since 1970-01-01 UTC; got {text[:40]!r}") from None


def from_utc_text(text: str, field: str, pattern: str) -> str:
    """Return a time written in UTC without an offset as ISO 8601 with one.

    Raises:
        UnmappableRow: the text does not follow the pattern (of ``datetime.strptime``).
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            raise ValueError
    except ValueError:
        raise UnmappableRow(f"{field}: must look like {pattern}; got {text[:40]!r}") from None
    return moment.isoformat() + "+00:00"


def whole_number(text: str, field: str) -> int:
    """Return a whole number, of either sign.

    Raises:
        UnmappableRow: it is not one.
    """
    try:
        return int(text)
    except ValueError:
        raise UnmappableRow(f"{field}: must be a whole number; got {text[:40]!r}") from None


def minor_units(text: str, field: str) -> int:
    """Return an amount as minor units of its currency, half a unit rounded away from zero.

    Raises:
        UnmappableRow: not a finite number.
    """
    try:
        return int((Decimal(text) * 100).quantize(_CENT, ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):
        raise UnmappableRow(f"{field}: must be an amount such as 12.50; got {text[:40]!r}") from None


def one_of(text: str, choices: dict[str, str], field: str) -> str:
    """Return what a word of the format means here.

    Raises:
        UnmappableRow: the format has no such word.
    """
    try:
        return choices[text]
    except KeyError:
        raise UnmappableRow(f"{field}: must be one of {', '.join(choices)}; got {text[:40]!r}") from None

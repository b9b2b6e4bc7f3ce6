"""Event times from their text, quickly and to the microsecond.

What a time may look like is said once, by `EventTime`. It reads each minute and each offset that is met here, and its
answers are remembered.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

from pydantic import TypeAdapter

from recommender.events.fields import EPOCH, MICROSECOND, MICROSECONDS, EventTime

_EVENT_TIME: TypeAdapter[datetime] = TypeAdapter(EventTime)
_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}")
_OFFSET = re.compile(r"[+-][0-9]{2}:[0-9]{2}")
_SECONDS = {f":{second:02d}": second * MICROSECONDS for second in range(60)}
_FRACTION_UNITS = (0, 100_000, 10_000, 1_000, 100, 10, 1)
_NOON = "2000-01-01T12:00:00"
_YEAR_9999_US = 253_370_764_800 * MICROSECONDS


def read_time_us(text: str) -> int | None:
    """Return microseconds since 1970-01-01 UTC; None where the text is wrong or unusual, and `EventTime` is to judge.

    Usual is ``2026-11-22T09:30:00Z``, with up to six digits of a fraction, and an offset in place of the Z.
    """
    try:
        time_us = _minute_us(text[:16]) + _SECONDS[text[16:19]]
        rest = text[19:]
        if rest == "Z":
            return time_us
        if rest[-1] == "Z":
            rest = rest[:-1]
        else:
            time_us -= _offset_us(rest[-6:])
            rest = rest[:-6]
        if rest:
            digits = rest[1:]
            if rest[0] != "." or not digits.isdigit() or not digits.isascii():
                return None
            time_us += int(digits) * _FRACTION_UNITS[len(digits)]
    except (ValueError, LookupError):
        return None
    return time_us if 0 < time_us < _YEAR_9999_US else None


@lru_cache(maxsize=4_096)
def _minute_us(text: str) -> int:
    if not _MINUTE.fullmatch(text):
        raise ValueError("not a minute")
    return _us(f"{text}:00Z")


@lru_cache(maxsize=256)
def _offset_us(text: str) -> int:
    if not _OFFSET.fullmatch(text):
        raise ValueError("not an offset")
    return _us(f"{_NOON}Z") - _us(_NOON + text)


def _us(text: str) -> int:
    return (_EVENT_TIME.validate_python(text) - EPOCH) // MICROSECOND

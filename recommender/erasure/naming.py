"""Whether a text that broke a rule, or a log entry, names a user: exact where it is JSON, by whole words elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import msgspec

from recommender.events import InvalidEvent, decode_event
from recommender.events.fields import IMPLICIT_SESSION_PREFIX
from recommender.history.erasing import Persons

_OTHER_FIELDS = frozenset(
    {
        "kind",
        "event_id",
        "event_time",
        "item_id",
        "item_ids",
        "order_id",
        "category",
        "brand",
        "price_cents",
        "currency",
        "quantity",
        "query",
        "amount_cents",
        "method",
        "question",
        "answer",
        "stock",
        "title",
        "tags",
        "description",
        "image_url",
        "page_url",
        "device",
        "country",
        "page",
        "slate_id",
        "position",
        "surface",
    }
)
"""Fields whose values are never a user's id."""


class _Names(msgspec.Struct):
    user_id: str = ""
    session_id: str = ""


_names = msgspec.json.Decoder(_Names).decode


def whose(payload: bytes) -> tuple[str, str]:
    """Return user and session of an entry of the event log; empty where it names none, or is no event.

    Raises:
        InvalidEvent: it is no event that the stream could have read.
    """
    try:
        names = _names(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        event: Any = decode_event(payload)
        return getattr(event, "user_id", None) or "", getattr(event, "session_id", None) or ""
    return names.user_id, names.session_id


def named_in_entry(payload: bytes, persons: Persons) -> Iterator[str]:
    """Yield the users, and the sessions of nobody known, whose this entry of the event log is."""
    try:
        user_id, session_id = whose(payload)
    except InvalidEvent:
        yield from named_in_text(payload.decode("utf-8", "backslashreplace"), persons)
        return
    if user_id:
        if user_id in persons.users:
            yield user_id
    elif session_id in persons.sessions:
        yield session_id


def named_in_text(text: str, persons: Persons) -> Iterator[str]:
    """Yield the users and sessions that a text names: JSON by its fields, anything else by whole words."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        for name in persons.users | persons.sessions:
            escaped = json.dumps(name)[1:-1]
            if (name in text and _word(name).search(text)) or (escaped != name and escaped in text):
                yield name
        return
    yield from set(_named_in_value(value, persons))


def named_in_reason(reason: str, persons: Persons) -> Iterator[str]:
    """Yield the users and sessions whose ids the reason of a dead letter shows, as ``got 'id'``, perhaps cut."""
    for name in persons.users | persons.sessions:
        shown = repr(name)
        marks = (f"got {shown}", f"got {shown[:79]}…")
        if ("user_id" in reason or "session_id" in reason) and any(mark in reason for mark in marks):
            yield name


def _named_in_value(value: Any, persons: Persons, field: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _named_in_value(inner, persons, key)
            yield from _of(key, persons)
    elif isinstance(value, list):
        for inner in value:
            yield from _named_in_value(inner, persons, field)
    elif field not in _OTHER_FIELDS and value is not None and not isinstance(value, bool):
        yield from _of(str(value), persons)


def _of(text: str, persons: Persons) -> Iterable[str]:
    text = text.strip()
    found = [text] if text in persons.users or text in persons.sessions else []
    if text.startswith(IMPLICIT_SESSION_PREFIX) and text.removeprefix(IMPLICIT_SESSION_PREFIX) in persons.users:
        found.append(text.removeprefix(IMPLICIT_SESSION_PREFIX))
    return found


@cache
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")

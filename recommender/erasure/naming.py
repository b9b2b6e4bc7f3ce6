"""Whether a text that broke a rule, or a log entry, names a user: exact where it is JSON, by whole words elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
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


_WORD = re.compile(r"[\w-]+")
_CUT = 79
"""Characters that the reason of a dead letter shows of a longer value."""


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
        yield from _named_in_words(text, persons)
        return
    yield from set(_named_in_value(value, persons))


def named_in_reason(reason: str, persons: Persons) -> Iterator[str]:
    """Yield the users and sessions whose ids the reason of a dead letter shows, as ``got 'id'``, perhaps cut."""
    for problem in reason.split(" | "):
        place, _, value = problem.partition("; got ")
        if "user_id" in place or "session_id" in place:
            name = _as_shown(persons).get(value)
            if name is not None:
                yield name


@lru_cache(maxsize=4)
def _as_shown(persons: Persons) -> dict[str, str]:
    """Return ids by how a reason shows them."""
    names = persons.users | persons.sessions
    return {repr(name): name for name in names} | {repr(name)[:_CUT] + "…": name for name in names}


@lru_cache(maxsize=4)
def _others_than_words(persons: Persons) -> list[tuple[str, re.Pattern[str]]]:
    """Return the ids that are no plain words, each with how a text would hold it."""
    found = []
    for name in persons.users | persons.sessions:
        if not (name.isascii() and _WORD.fullmatch(name)):
            spelled = "|".join({re.escape(name), re.escape(json.dumps(name)[1:-1])})
            found.append((name, re.compile(rf"(?<![\w-])(?:{spelled})(?![\w-])")))
    return found


def _named_in_words(text: str, persons: Persons) -> Iterator[str]:
    words = set(_WORD.findall(text))
    yield from words & (persons.users | persons.sessions)
    for name, pattern in _others_than_words(persons):
        if name not in words and pattern.search(text):
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

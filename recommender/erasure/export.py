"""All that is held of a user, as JSON, piece by piece, so that a long history needs no memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import redis

from recommender.deadletters import RedisDeadLetters
from recommender.erasure.held import Sessions, find_in_log, meet_in_history, meet_in_log
from recommender.erasure.traces import hidden_key, letters_of, slate_keys
from recommender.eventlog import EventLog
from recommender.features import ROW_TYPES, SessionFeatures
from recommender.history import EVENTS, part_files
from recommender.history.erasing import PERSONAL_TABLES, Persons, files_with, rows_of
from recommender.store import FeastFeatures

_encode = msgspec.json.encode


class Sources(NamedTuple):
    """Where it is found."""

    client: redis.Redis
    log: EventLog
    features: FeastFeatures
    history_dir: Path


def export(user_id: str, sources: Sources) -> Iterator[bytes]:
    """Yield the pieces of one JSON object. What may fail as a whole has been asked before the first of them.

    The user's sessions count as the user's, also what was done there before it was known who it was.
    """
    sessions = Sessions(frozenset([user_id]))
    meet_in_history(sources.history_dir, sessions, _go_on)
    meet_in_log(sources.log, sessions, _go_on)
    persons = sessions.persons()
    session_ids = sorted(persons.sessions)
    features = _features(user_id, session_ids, sources.features)
    answers: Any = sources.client
    hidden = sorted(item.decode() for item in answers.smembers(hidden_key(user_id)))
    slates = [msgspec.msgpack.decode(slate) for key in slate_keys(persons) for slate in answers.hvals(key)]
    head = {
        "user_id": user_id,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "sessions": session_ids,
        "features": features,
        "hidden_items": hidden,
        "cached_slates": slates,
    }
    return _pieces(head, persons, sources)


def _go_on() -> None:
    """Nothing ends an export but that nobody reads on."""


def _features(user_id: str, session_ids: list[str], store: FeastFeatures) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row_type in ROW_TYPES:
        if row_type.view in PERSONAL_TABLES:
            keys = session_ids if row_type.entity == SessionFeatures.entity else [user_id]
            found[row_type.view] = [row for row in store.read(row_type, keys) if row is not None]
    return found


def _pieces(head: dict[str, Any], persons: Persons, sources: Sources) -> Iterator[bytes]:
    yield _encode(head)[:-1]
    yield b',"dead_letters":'
    yield from _list(letter for _, letter in letters_of(RedisDeadLetters(sources.client), persons))
    yield b',"history":{'
    in_history: set[str] = set()
    for number, table in enumerate(PERSONAL_TABLES):
        yield (b"," if number else b"") + _encode(table) + b":"
        yield from _list(_history(sources.history_dir, table, persons, in_history))
    yield b'},"event_log":'
    yield from _list(
        event
        for found in find_in_log(sources.log, persons, _go_on)
        for _, entry in found.entries
        if _event_id(event := _event(entry.payload)) not in in_history
    )
    yield b"}\n"


def _history(history_dir: Path, table: str, persons: Persons, event_ids: set[str]) -> Iterator[dict[str, Any]]:
    for path, _ in files_with(table, persons, part_files(history_dir, table)):
        for batch in rows_of(path, table, persons).to_batches(max_chunksize=1_000):
            for row in batch.to_pylist():
                if table == EVENTS:
                    event_ids.add(row["event_id"])
                    row["payload"] = _event(row["payload"].encode())
                yield row


def _event(payload: bytes) -> Any:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return payload.decode("utf-8", "backslashreplace")


def _event_id(event: Any) -> Any:
    return event.get("event_id") if isinstance(event, dict) else None


def _list(values: Iterable[Any]) -> Iterator[bytes]:
    first = True
    for value in values:
        yield (b"[" if first else b",") + _encode(value)
        first = False
    yield b"[]" if first else b"]"

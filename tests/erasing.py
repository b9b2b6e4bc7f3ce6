"""For tests of erasures: shoppers, one of whom is to be erased, and a search for what is left of that one anywhere."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import redis

from recommender.eventlog import LogRecord, open_event_log, record_of
from recommender.events import AnyShopperEvent, Purchase, View
from recommender.features import ROW_TYPES, FeatureRow
from recommender.history import part_files
from recommender.history.erasing import PERSONAL_TABLES
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures

ERASED = "erin-7f3a9c"
SESSIONS = [f"visit-7f3a9c-{number}" for number in range(12)]
OTHERS = [f"shopper-{number}" for number in range(19)]
TRACES = [b"7f3a9c"]
"""In the user's id and in those of all of the user's sessions, and nowhere else."""
TASTES = {"shoe": ("Wear", "Shoes"), "lamp": ("Home", "Lamps")}


def events_of(user_id: str, sessions: Iterable[str], seed: int, start: datetime) -> Iterator[AnyShopperEvent]:
    """Yield visits: the first views of each come before it is known who it is."""
    chance = random.Random(seed)
    taste = list(TASTES)[seed % 2]
    for number, session_id in enumerate(sessions):
        begin = start + timedelta(hours=3 * number, minutes=seed)
        for step in range(7):
            item_id = f"{taste}-{chance.randrange(10)}"
            common: dict[str, Any] = {
                "event_id": f"{session_id}.{step}",
                "event_time": begin + timedelta(seconds=20 * step),
                "session_id": session_id,
                "user_id": None if step < 2 else user_id,
                "item_id": item_id,
                "category": TASTES[taste],
                "price_cents": 1_000,
                "currency": "EUR",
            }
            yield Purchase(order_id=f"{session_id}!", **common) if step == 6 else View(**common)


def records(start: datetime | None = None) -> list[LogRecord]:
    """Return the events of all shoppers, as of late."""
    start = start or datetime.now(UTC) - timedelta(days=2)
    events = list(events_of(ERASED, SESSIONS, 0, start))
    for seed, user_id in enumerate(OTHERS, 1):
        events += events_of(user_id, [f"{user_id}-visit-{number}" for number in range(12)], seed, start)
    events.sort(key=lambda event: event.event_time)
    return [record_of(event) for event in events]


def append(settings: Settings, some: list[LogRecord]) -> None:
    with closing(open_event_log(settings)) as log:
        log.append(some)


def traces_in_redis(client: redis.Redis) -> list[str]:
    """Return the keys that hold a trace: in their name, a field, a member or a value."""
    answers: Any = client
    read = {
        b"string": lambda key: [answers.get(key)],
        b"hash": lambda key: [part for pair in answers.hgetall(key).items() for part in pair],
        b"set": answers.smembers,
        b"zset": lambda key: answers.zrange(key, 0, -1),
        b"list": lambda key: answers.lrange(key, 0, -1),
        b"stream": lambda key: [part for _, fields in answers.xrange(key) for pair in fields.items() for part in pair],
    }
    found = []
    for key in answers.scan_iter(count=10_000):
        values = [key, *read[answers.type(key)](key)]
        if any(trace in value for value in values for trace in TRACES):
            found.append(key.decode("utf-8", "backslashreplace"))
    return found


def traces_in_files(folder: Path) -> list[str]:
    """Return the files that hold a trace: in their bytes, the values of a table, or the rows of a database."""
    return [
        str(path.relative_to(folder))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(trace in content for content in _contents(path) for trace in TRACES)
    ]


def _contents(path: Path) -> Iterator[bytes]:
    yield path.name.encode()
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield repr(pq.read_table(path, partitioning=None).to_pylist()).encode()
    if path.suffix == ".sqlite3":
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute(f"SELECT * FROM {table}"):  # noqa: S608 - of the database itself
                    for value in row:
                        yield value if isinstance(value, bytes) else str(value).encode()


def rows_of_others(settings: Settings) -> dict[str, list[FeatureRow | None]]:
    """Return all feature rows of the other shoppers."""
    features = FeastFeatures.open(settings)
    sessions = [f"{user_id}-visit-{number}" for user_id in OTHERS for number in range(12)]
    keys = {"user_id": OTHERS, "session_id": sessions}
    found = {row_type.view: features.read(row_type, keys[row_type.entity]) for row_type in _PERSONAL}
    items = [f"{taste}-{number}" for taste in TASTES for number in range(10)]
    found |= {row_type.view: features.read(row_type, items) for row_type in ROW_TYPES if row_type.entity == "item_id"}
    features.close()
    return found


_PERSONAL = [row_type for row_type in ROW_TYPES if row_type.view in PERSONAL_TABLES]


def history_of_others(settings: Settings) -> dict[str, list[str]]:
    """Return all rows of all tables of the history but the erased user's, sorted."""
    folder = Installation(settings.data_dir).history_dir
    return {
        table: sorted(
            text
            for path in part_files(folder, table)
            for row in pq.read_table(path, partitioning=None).to_pylist()
            if not any(trace.decode() in (text := repr(row)) for trace in TRACES)
        )
        for table in (*PERSONAL_TABLES, *(row_type.view for row_type in ROW_TYPES if row_type.entity == "item_id"))
    }

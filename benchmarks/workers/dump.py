"""Writes down all that an installation holds: ``python -m benchmarks.workers.dump FILE``.

Every row of every feature view as Feast reads it, found by a scan of Redis itself, and every event of the history.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import redis

from recommender.features import ROW_TYPES
from recommender.history import EVENTS, SCHEMAS, part_files
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures

_LENGTH = struct.Struct("<I")
_AT_ONCE = 5_000
_OF_ARRIVAL = "ingested_at"
"""Differs with every run."""


class Dump(msgspec.Struct):
    """All rows and events, as they can be compared."""

    columns: dict[str, list[str]]
    """The columns of each view, feature time first."""
    rows: dict[str, dict[str, list[Any]]]
    """View to key to the values of these columns."""
    event_columns: list[str]
    events: list[list[Any]]
    """Sorted."""


def entity_of(key: bytes) -> tuple[str, str] | None:
    """Return the entity and the id that a key of Feast's stands for; None for any other key.

    The key has the number of join keys, their names, and for each value its type, its length and itself; all lengths
    are 32 bits, the lowest byte first. The project comes last.
    """
    try:
        if key[:4] != _LENGTH.pack(1):
            return None
        (name_length,) = _LENGTH.unpack_from(key, 8)
        name_end = 12 + name_length
        (id_length,) = _LENGTH.unpack_from(key, name_end + 4)
        id_end = name_end + 8 + id_length
        return key[12:name_end].decode(), key[name_end + 8 : id_end].decode()
    except (struct.error, UnicodeDecodeError):
        return None


def _ids(redis_url: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    client = redis.Redis.from_url(redis_url)
    for key in client.scan_iter(count=10_000, _type="hash"):
        if place := entity_of(key):
            found.setdefault(place[0], []).append(place[1])
    client.close()
    return found


def _events(installation: Installation) -> Iterator[list[Any]]:
    columns = [name for name in SCHEMAS[EVENTS].names if name != _OF_ARRIVAL]
    for path in part_files(installation.history_dir, EVENTS):
        table = pq.read_table(path, schema=SCHEMAS[EVENTS])
        yield from (list(row) for row in zip(*(table.column(name).to_pylist() for name in columns), strict=True))


def dump(settings: Settings) -> Dump:
    """Read everything."""
    features, ids = FeastFeatures.open(settings), _ids(str(settings.redis_url))
    names = {row_type.view: [column.name for column in row_type.columns()] for row_type in ROW_TYPES}
    rows: dict[str, dict[str, list[Any]]] = {}
    for row_type in ROW_TYPES:
        held, keys = rows.setdefault(row_type.view, {}), ids.get(row_type.entity, [])
        for start in range(0, len(keys), _AT_ONCE):
            some = keys[start : start + _AT_ONCE]
            for key, row in zip(some, features.read(row_type, some), strict=True):
                if row is not None:
                    held[key] = [row.time_us, *(getattr(row, name) for name in names[row_type.view])]
    features.close()
    events = sorted(_events(Installation(settings.data_dir)), key=lambda event: (event[0], event[-2]))
    return Dump(
        {view: ["feature_time_us", *columns] for view, columns in names.items()},
        rows,
        [name for name in SCHEMAS[EVENTS].names if name != _OF_ARRIVAL],
        events,
    )


def main() -> None:
    """Write the dump of the installation that the environment names."""
    parser = argparse.ArgumentParser(description="Write down all rows and events of an installation.")
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    arguments.file.write_bytes(msgspec.msgpack.encode(dump(Settings())))


if __name__ == "__main__":
    main()

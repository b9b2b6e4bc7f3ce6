"""The events of a data set file as the event log would hold them, prepared once for all measurements."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import orjson

from recommender.eventlog import LogRecord, record_of
from recommender.events import InvalidEvent, decode_event
from recommender.loaders import LoadedEvent, open_loader


class Prepared(msgspec.Struct):
    """Valid events in the order of the file."""

    records: list[tuple[str, str, bytes]]
    """Topic, key and payload of each."""
    refused_rows: int

    def log_records(self) -> list[LogRecord]:
        """Return them as the log takes them."""
        return [LogRecord(*record) for record in self.records]


def prepare(dataset: str, file: Path, rows: int | None) -> Prepared:
    """Read the first rows of a file, all without ``rows``, and encode them as the API does.

    Raises:
        LoaderError: the file is not there, or not of this format.
    """
    prepared = Prepared([], 0)
    for loaded in islice(iter(open_loader(dataset, file)), rows):
        record = _record(loaded) if isinstance(loaded, LoadedEvent) else None
        if record is None:
            prepared.refused_rows += 1
        else:
            prepared.records.append((record.topic, record.key, record.payload))
    return prepared


def _record(loaded: LoadedEvent) -> LogRecord | None:
    try:
        return record_of(decode_event(orjson.dumps(loaded.event)))
    except InvalidEvent:
        return None


def save(prepared: Prepared, path: Path) -> None:
    """Write them down for a child process."""
    path.write_bytes(msgspec.msgpack.encode(prepared))


def load(path: Path) -> Prepared:
    """Read what ``save`` has written."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Prepared)


def shopper_events(prepared: Prepared) -> Iterator[dict[str, Any]]:
    """Yield the events that name a shopper, as JSON objects, over and over."""
    payloads = [payload for topic, _, payload in prepared.records if topic == "shopper"]
    while payloads:
        yield from map(orjson.loads, payloads)

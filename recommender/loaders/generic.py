"""Your own files, with the columns of the events: CSV (comma or tab, with a header), JSON lines, Parquet.

Nothing is guessed but three gaps: ``kind`` is ``view``, ``event_id`` comes of file and line, and a number in
``event_time`` is epoch seconds, or milliseconds from 10^11 on. Empty cells are missing fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from recommender.loaders.columns import EventColumns
from recommender.loaders.parquet import PARQUET_MAGIC, parquet_rows
from recommender.loaders.rows import Format, Loaded, LoadedEvent, RawEvent, UnmappableRow
from recommender.loaders.source import SourceFile
from recommender.loaders.values import from_epoch

_MILLISECONDS_FROM = 1e11
_DEFAULT_KIND = "view"


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row."""
    for source in sources:
        if source.head.startswith(PARQUET_MAGIC):
            yield from _read_parquet(source)
        elif source.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            yield from _read_json(source)
        else:
            yield from _read_csv(source)


def _read_csv(source: SourceFile) -> Iterator[Loaded]:
    first_line = source.first_line()
    delimiter = "\t" if "\t" in first_line else ","
    records = source.records(delimiter)
    header = next(records, None)
    columns = EventColumns([name.strip() for name in header.fields] if header else [], source.path)
    for line_number, fields, problem in records:
        text = delimiter.join(fields)
        if problem:
            yield source.bad_row(line_number, problem, text)
        elif len(fields) != columns.width:
            problem = f"row: must have {columns.width} columns; got {len(fields)}"
            yield source.bad_row(line_number, problem, text)
        else:
            yield _loaded(source, line_number, columns.event(fields), text)


def _read_json(source: SourceFile) -> Iterator[Loaded]:
    for line_number, line in source.lines():
        text = line.decode("utf-8", "backslashreplace")
        try:
            event = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            yield source.bad_row(line_number, f"line: must be JSON ({error})", text)
            continue
        if isinstance(event, dict):
            yield _loaded(source, line_number, event, text)
        else:
            yield source.bad_row(line_number, "line: must be a JSON object", text)


def _read_parquet(source: SourceFile) -> Iterator[Loaded]:
    names, rows = parquet_rows(source.path)
    EventColumns(names, source.path)
    for row_number, row in enumerate(rows, 1):
        event = {name: value for name, value in row.items() if value is not None}
        yield _loaded(source, row_number, event, "")


def _loaded(source: SourceFile, line_number: int, event: RawEvent, text: str) -> Loaded:
    try:
        if "event_time" in event:
            event["event_time"] = _time(event["event_time"])
    except UnmappableRow as error:
        return source.bad_row(line_number, str(error), text)
    event.setdefault("kind", _DEFAULT_KIND)
    event.setdefault("event_id", source.event_id(line_number))
    return LoadedEvent(source.name, line_number, event)


def _time(value: Any) -> Any:
    text = str(value) if isinstance(value, int | float) else value
    if not isinstance(text, str) or not text.lstrip("-").replace(".", "", 1).isdigit():
        return value
    return from_epoch(text, "event_time", 1_000 if abs(float(text)) >= _MILLISECONDS_FROM else 1)


FORMAT = Format("generic", ("*.csv", "*.tsv", "*.jsonl", "*.ndjson", "*.parquet"), read)

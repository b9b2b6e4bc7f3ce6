"""Your own files, with the columns of the events: CSV (comma or tab, with a header), JSON lines, Parquet.

Nothing is guessed but three gaps: ``kind`` is ``view``, ``event_id`` comes of file and line, and a number in
``event_time`` is epoch seconds, or milliseconds from 10^11 on. Empty cells are missing fields. `LenientReader` reads
the same files for those who only measure, and understands more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import orjson

from recommender.loaders.columns import EventColumns, check_columns
from recommender.loaders.parquet import PARQUET_MAGIC, parquet_rows
from recommender.loaders.rows import Format, Loaded, LoadedEvent, RawEvent, UnmappableRow
from recommender.loaders.source import SourceFile
from recommender.loaders.values import from_epoch

_MILLISECONDS_FROM = 1e11
_DEFAULT_KIND = "view"


class Rules(Protocol):
    """How columns and rows of somebody's own file are read."""

    separators: str
    """Between the cells of a delimited file; the one that its header has most of, the last of those without any."""

    def fields(self, names: Sequence[str], path: Path) -> list[str | None]:
        """Return the event field of each column, None for one to pass over.

        Raises:
            WrongFormat: the columns make no events.
        """

    def from_object(self, row: dict[str, Any]) -> RawEvent:
        """Return a JSON object, which may have any fields, as an event."""

    def finish(self, event: RawEvent) -> None:
        """Fill the gaps of an event, all but its id.

        Raises:
            UnmappableRow: no event can be made of it.
        """


class StrictRules:
    """Columns are event fields, and the event rules judge the values."""

    separators = "\t,"

    def fields(self, names: Sequence[str], path: Path) -> list[str | None]:
        """Return the names as they are, all of which must be event fields."""
        check_columns(names, path)
        return list(names)

    def from_object(self, row: dict[str, Any]) -> RawEvent:
        """Return the object as it is."""
        return row

    def finish(self, event: RawEvent) -> None:
        """Read an epoch time, and take a row without a kind for a view."""
        if "event_time" in event:
            event["event_time"] = _time(event["event_time"])
        event.setdefault("kind", _DEFAULT_KIND)


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row."""
    return read_by(StrictRules(), sources)


def read_by(rules: Rules, sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row, by these rules."""
    for source in sources:
        if source.head.startswith(PARQUET_MAGIC):
            yield from _read_parquet(source, rules)
        elif source.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            yield from _read_json(source, rules)
        else:
            yield from _read_csv(source, rules)


def separator(first_line: str, separators: str) -> str:
    """Return which of the separators, the likelier first, a header has; the last one where it has none."""
    return next((one for one in separators if one in first_line), separators[-1])


def _read_csv(source: SourceFile, rules: Rules) -> Iterator[Loaded]:
    delimiter = separator(source.first_line(), rules.separators)
    records = source.records(delimiter)
    header = next(records, None)
    columns = EventColumns(rules.fields([name.strip() for name in header.fields] if header else [], source.path))
    for line_number, fields, problem in records:
        text = delimiter.join(fields)
        if problem:
            yield source.bad_row(line_number, problem, text)
        elif len(fields) != columns.width:
            problem = f"row: must have {columns.width} columns; got {len(fields)}"
            yield source.bad_row(line_number, problem, text)
        else:
            yield _loaded(source, line_number, columns.event(fields), text, rules)


def _read_json(source: SourceFile, rules: Rules) -> Iterator[Loaded]:
    for line_number, line in source.lines():
        text = line.decode("utf-8", "backslashreplace")
        try:
            event = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError as error:
            yield source.bad_row(line_number, f"line: must be JSON ({error})", text)
            continue
        if isinstance(event, dict):
            yield _loaded(source, line_number, rules.from_object(event), text, rules)
        else:
            yield source.bad_row(line_number, "line: must be a JSON object", text)


def _read_parquet(source: SourceFile, rules: Rules) -> Iterator[Loaded]:
    names, rows = parquet_rows(source.path)
    fields = {name: field for name, field in zip(names, rules.fields(names, source.path), strict=True) if field}
    for row_number, row in enumerate(rows, 1):
        event = {field: row[name] for name, field in fields.items() if row[name] is not None}
        yield _loaded(source, row_number, event, "", rules)


def _loaded(source: SourceFile, line_number: int, event: RawEvent, text: str, rules: Rules) -> Loaded:
    try:
        rules.finish(event)
    except UnmappableRow as error:
        return source.bad_row(line_number, str(error), text)
    event.setdefault("event_id", source.event_id(line_number))
    return LoadedEvent(source.name, line_number, event)


def _time(value: Any) -> Any:
    text = str(value) if isinstance(value, int | float) else value
    if not isinstance(text, str) or not text.lstrip("-").replace(".", "", 1).isdigit():
        return value
    return from_epoch(text, "event_time", 1_000 if abs(float(text)) >= _MILLISECONDS_FROM else 1)


FORMAT = Format("generic", ("*.csv", "*.tsv", "*.jsonl", "*.ndjson", "*.parquet"), read)

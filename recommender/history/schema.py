"""The tables of the history, derived from the definitions: one for each feature view, and one of the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa

from recommender.features import ROW_TYPES, ColumnType, FeatureRow, Interaction

EVENT_TIMESTAMP = "event_timestamp"
EVENTS = "events"
_INSTANT = pa.timestamp("us", tz="UTC")
_ARROW_TYPES = {
    ColumnType.INT: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.STRING: pa.string(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.INT_LIST: pa.list_(pa.int64()),
    ColumnType.FLOAT_LIST: pa.list_(pa.float64()),
    ColumnType.STRING_LIST: pa.list_(pa.string()),
}

_EVENT_SCHEMA = pa.schema(
    [
        ("event_id", pa.string()),
        ("kind", pa.string()),
        ("event_time", _INSTANT),
        ("ingested_at", _INSTANT),
        ("session_id", pa.string()),
        ("user_id", pa.string()),
        ("item_id", pa.string()),
        ("category", pa.string()),
        ("brand", pa.string()),
        ("price_cents", pa.int64()),
        ("currency", pa.string()),
        ("quantity", pa.int64()),
        ("order_id", pa.string()),
        ("query", pa.string()),
        ("device", pa.string()),
        ("country", pa.string()),
        ("late", pa.bool_()),
        ("payload", pa.string()),
    ]
)
_EVENT_SOURCES = {"event_time": "time_us", "ingested_at": "ingested_us"}
_EVENT_VALUES = attrgetter(*(_EVENT_SOURCES.get(name, name) for name in _EVENT_SCHEMA.names))


def schema_of(row_type: type[FeatureRow]) -> pa.Schema:
    """Return the Arrow schema of a feature view: entity, ``event_timestamp``, columns."""
    fields = [(row_type.entity, pa.string()), (EVENT_TIMESTAMP, _INSTANT)]
    fields += [(column.name, _ARROW_TYPES[column.type]) for column in row_type.columns()]
    return pa.schema(fields)


SCHEMAS: dict[str, pa.Schema] = {row_type.view: schema_of(row_type) for row_type in ROW_TYPES} | {EVENTS: _EVENT_SCHEMA}
"""Table name to schema."""


def table_of_rows(rows: Sequence[FeatureRow]) -> pa.Table:
    """Return rows of one view, at least one, as a table."""
    # A row's fields are the schema's, in its order.
    return _table(SCHEMAS[rows[0].view], map(msgspec.structs.astuple, rows))


def table_of_events(events: Sequence[Interaction]) -> pa.Table:
    """Return shopper events as a table."""
    return _table(_EVENT_SCHEMA, map(_EVENT_VALUES, events))


def _table(schema: pa.Schema, rows: Iterable[tuple[Any, ...]]) -> pa.Table:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, type=field.type) for field, values in zip(schema, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)

"""What is checked of values that an expectation cannot look into: lists, and the events as they came.

An expectation wants plain columns. So a list column ``x`` is checked through its measures: ``length(x)``, ``nulls(x)``
(null or NaN elements) and, where the elements are numbers, ``least(x)`` and ``greatest(x)`` (null for an empty list).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.events import InvalidEvent, decode_event
from recommender.history import EVENTS, SCHEMAS

PAYLOAD = "payload"
PROBLEM = f"problem({PAYLOAD})"
"""Why the payload of an event is not the event of its row; null where it is."""
AHEAD_S = "event_time - ingested_at"
"""How far the event time lies ahead of our clock when the event came [s]; below 0 for any normal event."""


def length(column: str) -> str:
    """Name the measure."""
    return f"length({column})"


def nulls(column: str) -> str:
    """Name the measure."""
    return f"nulls({column})"


def least(column: str) -> str:
    """Name the measure."""
    return f"least({column})"


def greatest(column: str) -> str:
    """Name the measure."""
    return f"greatest({column})"


def measured(name: str, table: pa.Table) -> pa.Table:
    """Return a part of a table of the history with measures in place of its lists and of its payloads."""
    columns: dict[str, pa.Array] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        values = column.combine_chunks()
        if pa.types.is_list(field.type):
            columns |= _list_measures(field, values)
        elif not (name == EVENTS and field.name == PAYLOAD):
            columns[field.name] = values
    if name == EVENTS and set(SCHEMAS[EVENTS].names) <= set(table.column_names):
        columns[AHEAD_S] = _ahead(columns["event_time"], columns["ingested_at"])
        columns[PROBLEM] = _problems(table)
    return pa.table(columns)


def _list_measures(field: pa.Field, lists: pa.Array) -> dict[str, pa.Array]:
    rows, values = pc.list_parent_indices(lists), pc.list_flatten(lists)
    absent = pc.is_null(values, nan_is_null=True).to_numpy(zero_copy_only=False)
    measures = {
        length(field.name): pc.list_value_length(lists).cast(pa.int64()),
        nulls(field.name): pa.array(np.bincount(rows.to_numpy()[absent], minlength=len(lists)), pa.int64()),
    }
    if pa.types.is_integer(field.type.value_type) or pa.types.is_floating(field.type.value_type):
        found = pa.table({"row": rows, "value": values}).group_by("row").aggregate([("value", "min"), ("value", "max")])
        place = np.full(len(lists), -1)
        place[found["row"].to_numpy()] = np.arange(len(found))
        where = pa.array(place, mask=place < 0)
        measures[least(field.name)] = found["value_min"].combine_chunks().take(where)
        measures[greatest(field.name)] = found["value_max"].combine_chunks().take(where)
    return measures


def _ahead(event_times: pa.Array, ingested: pa.Array) -> pa.Array:
    microseconds = pc.subtract(event_times.cast(pa.int64()), ingested.cast(pa.int64()))
    return pc.divide(microseconds.cast(pa.float64()), 1e6)


def _problems(table: pa.Table) -> pa.Array:
    columns = (table[name].to_pylist() for name in ("event_id", "kind", PAYLOAD))
    return pa.array([_problem(*row) for row in zip(*columns, strict=True)], pa.string())


def _problem(event_id: str | None, kind: str | None, payload: str | None) -> str | None:
    if payload is None:
        return f"{PAYLOAD}: must not be null"
    try:
        event = decode_event(payload)
    except InvalidEvent as error:
        return str(error)
    for name, here, there in (("event_id", event_id, event.event_id), ("kind", kind, event.kind)):
        if here != there:
            return f"{name}: must be that of the payload, {there!r}; got {here!r}"
    return None

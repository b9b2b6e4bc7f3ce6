"""A history of any length: one month is folded as the stream would, the others are that month of other shoppers.

The rows of the month are exact. In a later month all shoppers, their orders and events have ids of their own, and all
times are later by a multiple of 30 days, which keeps windows and panes as they are. Items stay, and their activity
begins anew each month.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.training.month import MONTH_US, Range, month
from recommender.features import FeatureRow, Interaction, ItemActivity, ItemCatalogue
from recommender.features.memory import FeatureMemory
from recommender.features.user import INTEREST
from recommender.history import SCHEMAS, HistoryWriter, part_files

_EVENTS_PER_PART = 50_000
_EVENTS_PER_BATCH = 1_000
"""How often there is a row of an item that is busy: the stream folds as many at once when it catches up."""
_WRITER = "month"
_SHOPPER_IDS = ("event_id", "session_id", "user_id", "order_id")
_ONCE = (ItemCatalogue.view,)
"""What the first month has told for all."""


def write_month(history_dir: Path, events: int, shop: Range, tell: Callable[[int], None]) -> None:
    """Fold a month of events and write what the stream would: a row of each of a shopper's views for each event."""
    writer, memory = HistoryWriter(history_dir, f"{_WRITER}-0", 0), FeatureMemory()
    for upsert in shop.catalogue():
        memory.take(upsert)
    for row in _item_rows(memory, (rows.item_id for rows in memory.items())):
        writer.add_row(row)
    happening, done = month(events, shop), 0
    while batch := list(islice(happening, _EVENTS_PER_BATCH)):
        for event in batch:
            memory.take(event)
            writer.add_event(event)
            for row in _shopper_rows(memory, event):
                writer.add_row(row)
        for row in _item_rows(memory, dict.fromkeys(event.item_id for event in batch if event.item_id)):
            if isinstance(row, ItemActivity):
                writer.add_row(row)
        done += len(batch)
        tell(done)
        if done % _EVENTS_PER_PART == 0:
            writer.flush()
    writer.flush()
    writer.close()


def repeat_month(history_dir: Path, number: int, tell: Callable[[int], None]) -> None:
    """Write the first month once more as month ``number``, counted from 0."""
    for table in SCHEMAS:
        if table in _ONCE:
            continue
        for path in part_files(history_dir, table):
            if path.stem.startswith((f"part-{_WRITER}-0-", f"merged-{_WRITER}-0-")):
                later = moved(pq.read_table(path, schema=SCHEMAS[table]), number)
                name = path.name.replace(f"-{_WRITER}-0-", f"-{_WRITER}-{number}-")
                pq.write_table(later, path.with_name(name), compression="zstd")
                if table == "events":
                    tell(len(later))


def moved(table: pa.Table, number: int) -> pa.Table:
    """Return a table's rows so many months later, of other shoppers."""
    for place, field in enumerate(table.schema):
        column = table.column(place)
        if field.name in _SHOPPER_IDS:
            prefixed = pc.binary_join_element_wise(f"m{number}-", column, "")
            table = table.set_column(place, field, pc.if_else(pc.equal(column, ""), "", prefixed))
        elif pa.types.is_timestamp(field.type):
            later = pc.add(column.cast(pa.int64()), number * MONTH_US)
            table = table.set_column(place, field, later.cast(field.type))
        elif field.name.endswith("_at_ms"):
            table = table.set_column(place, field, pa.chunked_array([_later(chunk, number) for chunk in column.chunks]))
    return table


def _later(times_ms: Any, number: int) -> Any:
    if pa.types.is_list(times_ms.type):
        return pa.ListArray.from_arrays(times_ms.offsets, _later(times_ms.values, number))
    return pc.if_else(pc.equal(times_ms, 0), 0, pc.add(times_ms, number * MONTH_US // 1_000))


def _shopper_rows(memory: FeatureMemory, event: Interaction) -> Iterator[FeatureRow]:
    shopper = memory.shopper(event.user_id, event.session_id, 0)
    yield next(row for row in shopper.sessions if row.session_id == event.session_id)
    if shopper.user is not None:
        yield shopper.user
    if shopper.items is not None and event.kind in INTEREST:
        yield shopper.items
    if shopper.purchases is not None and event.kind == "purchase":
        yield shopper.purchases


def _item_rows(memory: FeatureMemory, item_ids: Iterable[str]) -> Iterator[FeatureRow]:
    for item_id in item_ids:
        rows = memory.item(item_id)
        yield from (row for row in (rows.catalogue, rows.activity) if row is not None)

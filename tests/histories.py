"""Histories for the tests of training: made from events by the folds, and joined by a plain recount of Feast's join."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.features import FeatureRow, Interaction, ItemCatalogue, UserItems, UserPurchases
from recommender.features.memory import FeatureMemory
from recommender.features.user import INTEREST
from recommender.history import EVENT_TIMESTAMP, SCHEMAS, HistoryWriter, ensure_tables
from recommender.training.history_source import PointInTimeJoin

KINDS = ("shoe", "lamp")
CATEGORIES = {"shoe": "Wear > Shoes", "lamp": "Home > Lamps"}


def write_history(history_dir: Path, events: Iterable[Interaction], catalogue: Sequence[ItemCatalogue] = ()) -> None:
    """Write what the stream would of these events, taken in order of time.

    Late events, and those whose id has come before, stand in the history of events but not in the features.
    """
    writer = HistoryWriter(history_dir, "test", 0)
    memory = FeatureMemory()
    seen: set[str] = set()
    for event in sorted(events, key=lambda event: (event.time_us, event.event_id)):
        writer.add_event(event)
        if event.late or event.event_id in seen:
            continue
        seen.add(event.event_id)
        if memory.take(event):
            for row in _changed(memory, event):
                writer.add_row(row)
    for row in catalogue:
        writer.add_row(row)
    writer.flush()


def _changed(memory: FeatureMemory, event: Interaction) -> Iterator[FeatureRow]:
    shopper = memory.shopper(event.user_id, event.session_id, 0)
    yield next(row for row in shopper.sessions if row.session_id == event.session_id)
    of_user = {UserItems: event.kind in INTEREST, UserPurchases: event.kind == "purchase"}
    for row in (shopper.user, shopper.items, shopper.purchases):
        if row is not None and of_user.get(type(row), True):
            yield row
    if event.item_id:
        rows = memory.item(event.item_id)
        yield from (row for row in (rows.catalogue, rows.activity) if row is not None)


def two_taste_history(history_dir: Path, *, sessions_each: int = 120) -> None:
    """Write a shop of shoes and lamps, ten items each, whose visitors look at either shoes or lamps, never at both."""
    rng = random.Random(7)
    events = []
    for visit in range(2 * sessions_each):
        kind = KINDS[visit % 2]
        for step, number in enumerate(rng.sample(range(10), 6)):
            events.append(
                Interaction(
                    f"e-{visit}-{step}",
                    "view",
                    (1_000_000 + visit * 600 + step * 20) * 1_000_000,
                    f"visit-{visit}",
                    user_id=f"user-{visit % 40}" if visit % 4 < 2 else "",
                    item_id=f"{kind}-{number}",
                    category=CATEGORIES[kind],
                )
            )
    catalogue = [described(f"{kind}-{number}", kind) for kind in KINDS for number in range(11)]
    write_history(history_dir, events, catalogue)


def described(item_id: str, kind: str) -> ItemCatalogue:
    """Return the catalogue row of a shoe or a lamp; number 10 of each is never looked at."""
    title, brand = f"Fine {kind}", f"{kind} makers"
    return ItemCatalogue(item_id, 1, True, 5, 4_900, "EUR", title, CATEGORIES[kind], brand, ["sale"], "", "", 1)


def plain_batches(history_dir: Path, rows_per_batch: int = 7) -> PointInTimeJoin:
    """Return a point-in-time join that looks up, row by row, the latest one not after each instant."""
    ensure_tables(history_dir)

    def rows_by_key(row_type: type[FeatureRow]) -> dict[str, list[dict[str, Any]]]:
        by_key: dict[str, list[dict[str, Any]]] = {}
        for row in pq.read_table(history_dir / row_type.view).sort_by(EVENT_TIMESTAMP).to_pylist():
            by_key.setdefault(row[row_type.entity], []).append(row)
        return by_key

    def join(entity_rows: pa.Table, row_types: Sequence[type[FeatureRow]]) -> Iterator[pa.Table]:
        for row_type in row_types:
            by_key = rows_by_key(row_type)
            found: list[dict[str, Any]] = []
            for key, time in zip(
                *entity_rows.select([row_type.entity, EVENT_TIMESTAMP]).to_pydict().values(), strict=True
            ):
                known = by_key.get(key, [])
                place = bisect_right([row[EVENT_TIMESTAMP] for row in known], time)
                found.append(known[place - 1] if place else {})
            for name in (EVENT_TIMESTAMP, *(column.name for column in row_type.columns())):
                values = pa.array([row.get(name) for row in found], SCHEMAS[row_type.view].field(name).type)
                entity_rows = entity_rows.append_column(f"{row_type.view}__{name}", values)
        for start in range(0, max(1, len(entity_rows)), rows_per_batch):
            yield entity_rows.slice(start, rows_per_batch)

    return join

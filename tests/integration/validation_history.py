"""A small, valid history, made with the folds that the stream uses; tests of validation break it in one place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.events import AnyEvent, CatalogueEvent, decode_event, encode_event
from recommender.features import (
    FeatureRow,
    Interaction,
    category,
    interaction,
    item_activity,
    item_catalogue,
    session,
    user,
    user_items,
    user_purchases,
)
from recommender.features.category import CategoryState
from recommender.features.item_activity import ActivityState
from recommender.features.item_catalogue import CatalogueState
from recommender.features.pairs import NEIGHBOURS_EACH_SIDE, Trail, meet
from recommender.features.session import SessionState
from recommender.features.user import UserState
from recommender.features.user_items import UserItemsState
from recommender.features.user_purchases import UserPurchasesState
from recommender.history import HistoryWriter, part_files

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def events() -> list[AnyEvent]:
    """A shop of two items, a known shopper who buys, and an anonymous one who looks."""
    shoe, boot = '"item_id": "shoe", "category": ["Shoes"]', '"item_id": "boot", "category": ["Shoes", "Boots"]'
    ada, visitor = '"user_id": "ada"', '"session_id": "visitor"'
    price = '"price_cents": 4900, "currency": "EUR"'
    bodies = [
        f'"kind": "item_upsert", {shoe}, {price}, "title": "Running shoe", "brand": "Fleet", "tags": ["new"]',
        '"kind": "stock_change", "item_id": "shoe", "stock": 3',
        f'"kind": "search", {ada}, "query": "shoes", "context": {{"device": "mobile", "country": "DE"}}',
        f'"kind": "exposure", {ada}, "slate_id": "s1", "item_ids": ["shoe", "boot"]',
        f'"kind": "view", {ada}, {shoe}, "brand": "Fleet", {price}',
        f'"kind": "view", {ada}, {boot}',
        f'"kind": "add_to_cart", {ada}, {shoe}, "quantity": 2',
        f'"kind": "purchase", {ada}, {shoe}, {price}, "order_id": "o1", "quantity": 2',
        f'"kind": "payment", {ada}, "order_id": "o1", "status": "captured"',
        f'"kind": "refund", {ada}, "order_id": "o1", "item_id": "shoe", "quantity": 1, {price}',
        f'"kind": "view", {visitor}, {boot}',
        f'"kind": "view", {visitor}, {shoe}',
        f'"kind": "survey_answer", {visitor}, "survey_id": "q", "question_id": "1", "answer": "fine"',
    ]
    times = [(NOON + timedelta(seconds=20 * number)).isoformat() for number in range(len(bodies))]
    return [
        decode_event(f'{{"event_id": "e{number}", "event_time": "{time}", {body}}}')
        for number, (time, body) in enumerate(zip(times, bodies, strict=True))
    ]


class Known:
    """The states of a known shopper."""

    def __init__(self) -> None:
        self.features = UserState()
        self.items = UserItemsState()
        self.purchases = UserPurchasesState()


def write_history(history_dir: Path) -> None:
    """Fold the events, and write the rows and the events in two parts."""
    writer = HistoryWriter(history_dir, "0", 0)
    trails: dict[tuple[str, str], Trail] = {}
    sessions: dict[str, SessionState] = {}
    users: dict[str, Known] = {}
    items: dict[str, ActivityState] = {}
    catalogue: dict[str, CatalogueState] = {}
    categories: dict[str, CategoryState] = {}
    for number, event in enumerate(events()):
        rows: list[FeatureRow] = []
        if isinstance(event, CatalogueEvent):
            described = catalogue.setdefault(event.item_id, CatalogueState())
            item_catalogue.fold(described, event)
            rows.append(item_catalogue.row(event.item_id, described))
        else:
            flat = interaction(event, payload=encode_event(event), ingested_us=event.time_us + 250_000)
            writer.add_event(flat)
            if flat.kind in NEIGHBOURS_EACH_SIDE:
                flat.pairs = meet(trails.setdefault((flat.session_id, flat.kind), []), flat)
            rows += _rows(flat, sessions, users, items, categories)
        for row in rows:
            writer.add_row(row)
        if number == 6:
            writer.flush()
    writer.flush()


def _rows(
    event: Interaction,
    sessions: dict[str, SessionState],
    users: dict[str, Known],
    items: dict[str, ActivityState],
    categories: dict[str, CategoryState],
) -> list[FeatureRow]:
    state = sessions.setdefault(event.session_id, SessionState())
    session.fold(state, event)
    rows: list[FeatureRow] = [session.row(event.session_id, state)]
    if event.user_id:
        known = users.setdefault(event.user_id, Known())
        user.fold(known.features, event)
        rows.append(user.row(event.user_id, known.features))
        if user_items.fold(known.items, event):
            rows.append(user_items.row(event.user_id, known.items))
        if user_purchases.fold(known.purchases, event):
            rows.append(user_purchases.row(event.user_id, known.purchases))
    changed = {pair.item_id for pair in event.pairs}
    for pair in event.pairs:
        item_activity.fold_pair(items.setdefault(pair.item_id, ActivityState()), pair)
    if event.item_id and event.kind in item_activity.ACTIVITY_KINDS:
        item = items.setdefault(event.item_id, ActivityState())
        item_activity.file_under(item, event.item_id, event.category, event.time_us)
        item_activity.fold(item, event)
        changed.add(event.item_id)
    for item_id in sorted(changed):
        rows.append(item_activity.row(item_id, items[item_id]))
        for entry in item_activity.category_entries(items[item_id], item_id, event.time_us, 1):
            trend = categories.setdefault(entry.category, CategoryState())
            category.fold(trend, entry)
            rows.append(category.row(entry.category, trend))
    return rows


def break_part(history_dir: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    """Rewrite the last part-file of a table."""
    path = part_files(history_dir, table)[-1]
    pq.write_table(change(pq.read_table(path)), path)


def with_value(column: str, value: object, row: int = 0) -> Callable[[pa.Table], pa.Table]:
    """Return a change that sets one value."""

    def change(rows: pa.Table) -> pa.Table:
        values = rows[column].to_pylist()
        values[row] = value
        index = rows.schema.get_field_index(column)
        return rows.set_column(index, rows.schema.field(index), pa.array(values, rows.schema.field(index).type))

    return change

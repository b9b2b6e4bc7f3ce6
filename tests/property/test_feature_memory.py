"""Features in memory against the feature flow, over random logs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflows.effects import Effects
from dataflows.intake import IntakeStage
from dataflows.keyed_state import KeyedState
from dataflows.log_source import Arrival
from dataflows.sharding import Stage
from dataflows.stages import ActivityStage, CatalogueStage, SessionStage
from dataflows.user_stage import UserStage
from recommender.eventlog import LogEntry, Partition
from recommender.events import (
    AddToCart,
    AddToWishlist,
    AnyCatalogueEvent,
    AnyEvent,
    Click,
    ItemDelete,
    ItemUpsert,
    Purchase,
    Refund,
    RemoveFromCart,
    Search,
    StockChange,
    SurveyAnswer,
    View,
    encode_event,
)
from recommender.features import (
    FeatureRow,
    Interaction,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
    aged,
)
from recommender.features.interaction import read_interaction
from recommender.features.memory import FeatureMemory
from recommender.settings import Settings

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
INGESTED_US = int(NOON.timestamp() * 1e6) + 86_400_000_000
ITEMS = ("tent", "stove", "boot", "lamp")
PATHS = ((), ("Camping",), ("Camping", "Kitchen"), ("Shoes",))
Row = tuple[str, str]
"""View and key."""


@st.composite
def shopper_events(draw: st.DrawFn, number: int) -> AnyEvent:
    """An event of one of few shoppers, up to two hours out of order."""
    kind: Any = draw(st.sampled_from((View, View, View, Click, AddToCart, AddToWishlist, RemoveFromCart, Purchase)))
    fields: dict[str, Any] = {
        "event_id": f"e{draw(st.integers(max(0, number - 9), number))}",
        "event_time": NOON + timedelta(minutes=number, seconds=-draw(st.sampled_from((0, 0, 60, 1_700, 7_200)))),
        "user_id": draw(st.sampled_from((None, "ada", "bob"))),
    }
    if fields["user_id"] is None or draw(st.booleans()):
        fields["session_id"] = draw(st.sampled_from(("s1", "s2")))
    other = draw(st.integers(0, 11))
    if other == 0:
        return Search(**fields, query=draw(st.sampled_from(("red boots", "tent"))))
    item_id = draw(st.sampled_from(ITEMS))
    if other == 1:
        return Refund(**fields, order_id="o1", item_id=item_id)
    if other == 2:
        return SurveyAnswer(**fields, survey_id="s", question_id="q", answer="a", item_id=item_id)
    fields["category"] = draw(st.sampled_from(PATHS))
    fields["brand"] = draw(st.sampled_from((None, "Acme")))
    if draw(st.booleans()):
        fields |= {"price_cents": draw(st.integers(1, 9_999)), "currency": "EUR"}
    if kind is Purchase:
        fields |= {"order_id": draw(st.sampled_from(("o1", "o2"))), "quantity": draw(st.integers(1, 3))}
    return kind(**fields, item_id=item_id)


@st.composite
def catalogue_events(draw: st.DrawFn, number: int) -> AnyEvent:
    """A change of an item, up to two hours out of order."""
    kind = draw(st.sampled_from((ItemUpsert, ItemUpsert, StockChange, ItemDelete)))
    fields: dict[str, Any] = {
        "event_id": f"c{number}",
        "event_time": NOON + timedelta(minutes=number - draw(st.sampled_from((0, 120)))),
        "item_id": draw(st.sampled_from(ITEMS)),
    }
    if kind is StockChange:
        return StockChange(**fields, stock=draw(st.integers(0, 2)))
    if kind is ItemDelete:
        return ItemDelete(**fields)
    return ItemUpsert(**fields, title="A title", category=draw(st.sampled_from(PATHS)), brand="Best")


@st.composite
def logs(draw: st.DrawFn) -> list[Arrival]:
    """Up to 30 events as the flow reads them, a third of them of the catalogue."""
    found: list[Arrival] = []
    for number, is_catalogue in enumerate(draw(st.lists(st.sampled_from((True, False, False)), max_size=30))):
        event = draw(catalogue_events(number) if is_catalogue else shopper_events(number))
        partition = Partition("catalogue" if is_catalogue else "shopper", 0)
        found.append(Arrival(partition, LogEntry(str(number), INGESTED_US + number, encode_event(event)), number))
    return found


def read(arrival: Arrival) -> Interaction | AnyCatalogueEvent:
    return read_interaction(arrival.entry.payload, arrival.entry.ingested_us, arrival.number)


class Flow:
    """The flow's steps, one after the other, event by event: then sums are rounded alike, too."""

    def __init__(self, folder: Path) -> None:
        configured = Settings(data_dir=folder)
        self._folder = folder
        self._intake = IntakeStage(configured)
        self._catalogue, self._sessions = CatalogueStage(), SessionStage(configured)
        self._users, self._activity = UserStage(configured), ActivityStage()
        self._states: dict[str, KeyedState[Any]] = {}
        self.rows: dict[Row, FeatureRow] = {}
        """The last one of each key."""
        self.counted: list[str] = []
        """Ids of the events that count."""

    def take(self, arrival: Arrival) -> None:
        taken = self._step(self._intake, [("0", [arrival])])
        catalogue = self._step(self._catalogue, self._catalogue.split(taken))
        sessions = self._step(self._sessions, self._sessions.split(catalogue))
        users = self._step(self._users, self._users.split(sessions))
        filings = [(shard, Effects(filings=effects.filings)) for shard, effects in catalogue]
        activity = self._step(self._activity, self._activity.split(filings + sessions))
        for _, effects in (*catalogue, *sessions, *users, *activity):
            self.rows.update({(row.view, row.key): row for row in effects.rows})
        self.counted += [event.event_id for _, effects in sessions for event in effects.events if not event.late]

    def _step(self, stage: Stage[Any], inputs: Iterable[tuple[str, Any]]) -> list[tuple[str, Effects]]:
        states = self._states.get(stage.name)
        if states is None:
            path = self._folder / f"{stage.name}.sqlite3"
            states = self._states[stage.name] = KeyedState(path, stage.state_type, 0)
        made = [(shard, stage.process([some], states)) for shard, some in inputs]
        states.end_batch()
        return made


def by_flow(log: list[Arrival]) -> Flow:
    with tempfile.TemporaryDirectory() as folder:
        flow = Flow(Path(folder))
        for arrival in log:
            flow.take(arrival)
        return flow


def in_memory(log: list[Arrival]) -> tuple[FeatureMemory, list[str]]:
    """Features, and the ids of the events that count."""
    memory = FeatureMemory()
    taken = [event for event in map(read, log) if memory.take(event)]
    return memory, [event.event_id for event in taken if isinstance(event, Interaction)]


def rows_of(memory: FeatureMemory) -> Iterator[FeatureRow]:
    """All rows, of sessions and users those that the logs above can have."""
    for session_id in ("s1", "s2"):
        yield from memory.shopper("", session_id, 0).sessions
    for user_id in ("ada", "bob"):
        shopper = memory.shopper(user_id, "", 0)
        yield from shopper.sessions
        yield from (row for row in (shopper.user, shopper.items, shopper.purchases) if row is not None)
    for rows in memory.items():
        yield from (row for row in (rows.catalogue, rows.activity) if row is not None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(logs())
def test_the_rows_in_memory_are_those_of_the_flow(log: list[Arrival]) -> None:
    flow = by_flow(log)
    memory, taken = in_memory(log)
    found = {(row.view, row.key): row for row in rows_of(memory)}
    assert taken == flow.counted
    assert found.keys() == flow.rows.keys()
    for key, row in found.items():
        if isinstance(row, ItemCatalogue) and row.feature_time_us > flow.rows[key].time_us:
            row.feature_time_us = flow.rows[key].time_us  # a change that later ones have overtaken makes no row
        assert row == flow.rows[key]


@settings(max_examples=50, deadline=None)
@given(logs(), st.sampled_from((None, "ada")), st.sampled_from((None, "s1", "user:ada")), st.integers(0, 10_000))
def test_a_shopper_is_what_the_stored_rows_say_aged_to_the_instant(
    log: list[Arrival], user_id: str | None, session_id: str | None, minutes: int
) -> None:
    memory, _ = in_memory(log)
    now_us = INGESTED_US + minutes * 60_000_000
    rows = {(row.view, row.key): row for row in rows_of(memory)}
    keys = dict.fromkeys([f"user:{user_id}"] * bool(user_id) + [session_id or ""])
    sessions = [rows[SessionFeatures.view, key] for key in keys if (SessionFeatures.view, key) in rows]
    known = [rows.get((view.view, user_id or "")) for view in (UserFeatures, UserItems, UserPurchases)]

    shopper = memory.shopper(user_id or "", session_id or "", now_us)

    expected = sorted(sessions, key=lambda row: row.time_us, reverse=True)
    assert shopper.sessions == [aged(row, now_us) for row in expected]
    assert [shopper.user, shopper.items, shopper.purchases] == [row and aged(row, now_us) for row in known]
    assert shopper.feature_time_us == max((row.time_us for row in (*sessions, *known) if row is not None), default=0)


@settings(max_examples=50, deadline=None)
@given(logs(), logs())
def test_of_the_shopper_alone_can_be_learned_without_what_it_says_of_items(
    before: list[Arrival], after: list[Arrival]
) -> None:
    whole, alone = in_memory(before)[0], in_memory(before)[0]
    items = list(whole.items())
    for event in map(read, after):
        if isinstance(event, Interaction):
            event.event_id = f"another {event.event_id}"
            event.category = event.category or "Elsewhere"  # so that it is complete without what is known of the item
            event.brand = event.brand or "Nobody"
            event.price_cents, event.currency = 100, "EUR"
            assert whole.take(copy(event)) == alone.take(event, items=False)
    assert list(alone.items()) == items
    of_shoppers = (SessionFeatures, UserFeatures, UserItems, UserPurchases)
    assert [row for row in rows_of(alone) if isinstance(row, of_shoppers)] == [
        row for row in rows_of(whole) if isinstance(row, of_shoppers)
    ]


def test_shoppers_not_heard_of_since_an_instant_are_forgotten_and_items_are_not() -> None:
    memory = FeatureMemory()
    for second, user_id in ((1, "ada"), (3, "bob"), (4, "ada")):
        for item_id in ITEMS:
            session_id = f"of {user_id} at {second}"
            event = Interaction(f"{second} {item_id}", "view", second * 1_000_000, session_id, user_id, item_id)
            assert memory.take(event)
    items = list(memory.items())

    memory.forget_before(3_500_000)

    assert memory.shopper("bob", "of bob at 3", 0) == memory.shopper("nobody", "", 0)
    assert memory.shopper("ada", "of ada at 1", 0).sessions == []
    assert memory.shopper("ada", "of ada at 4", 0).sessions[0].views == 4
    assert memory.shopper("ada", "", 0).user is not None
    assert list(memory.items()) == items

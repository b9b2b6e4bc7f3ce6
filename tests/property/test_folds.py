"""Features do not depend on the order in which the events of an hour arrive, as long as none is late."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.events import AnyCatalogueEvent, ItemDelete, ItemUpsert, StockChange, utc_from_us
from recommender.features import Interaction, ItemCatalogue, item_catalogue, session, user
from recommender.features.item_catalogue import CatalogueState
from recommender.features.pairs import NEIGHBOUR_SPAN_US, NEIGHBOURS_EACH_SIDE, Trail, meet
from recommender.features.session import SessionState
from recommender.features.user import UserState

START = 1_700_000_000_000_000
MINUTE = 60_000_000


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    """Up to 25 events of one session within half an hour, each at a time of its own."""
    offsets = draw(st.lists(st.integers(0, 30 * MINUTE - 1), min_size=1, max_size=25, unique=True))
    events = []
    for number, offset in enumerate(sorted(offsets)):
        kind = draw(st.sampled_from(["view", "view", "add_to_cart", "remove_from_cart", "purchase", "search", "click"]))
        item = "" if kind == "search" else draw(st.sampled_from(["i1", "i2", "i3", "i4", "i5"]))
        events.append(
            Interaction(
                f"e{number:02d}",
                kind,
                START + offset,
                "s1",
                "u1",
                item,
                category=f"c{item}" if item else "",
                brand="b" if item in ("i1", "i2") else "",
                price_cents=100 * int(item[1]) if item else -1,
                currency="EUR" if item else "",
                order_id=f"o{number // 3}" if kind == "purchase" else "",
                query=draw(st.sampled_from(["red", "blue"])) if kind == "search" else "",
            )
        )
    return events


def folded(events: list[Interaction]) -> tuple[dict[str, object], dict[str, object], Counter[tuple[str, str, str]]]:
    session_state, user_state = SessionState(), UserState()
    pairs: Counter[tuple[str, str, str]] = Counter()
    trails: dict[str, Trail] = {kind: [] for kind in NEIGHBOURS_EACH_SIDE}
    for event in events:
        session.fold(session_state, event)
        for pair in meet(trails[event.kind], event) if event.kind in trails else ():
            pairs[pair.kind, pair.item_id, pair.other_id] += pair.weight
        user.fold(user_state, event)
    rows = msgspec.to_builtins(session.row("s1", session_state)), msgspec.to_builtins(user.row("u1", user_state))
    for row in rows:
        del row["feature_time_us"]
    return rows[0], rows[1], +pairs


def rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6)
    return [rounded(part) for part in value] if isinstance(value, list) else value


@settings(max_examples=300)
@given(histories(), st.randoms(use_true_random=False))
def test_rows_and_pairs_are_the_same_after_any_order_of_arrival(
    events: list[Interaction], chance: random.Random
) -> None:
    shuffled = list(events)
    chance.shuffle(shuffled)
    in_order, out_of_order = folded(events), folded(shuffled)
    for expected, row in zip(in_order[:2], out_of_order[:2], strict=True):
        assert {name: rounded(value) for name, value in row.items()} == {
            name: rounded(value) for name, value in expected.items()
        }
    assert out_of_order[2] == in_order[2]


@given(histories())
def test_pairs_equal_a_naive_count_of_neighbours(events: list[Interaction]) -> None:
    expected: Counter[tuple[str, str, str]] = Counter()
    for kind, reach in NEIGHBOURS_EACH_SIDE.items():
        trail = [event for event in events if event.kind == kind]
        for newer in range(len(trail)):
            for older in range(max(0, newer - reach), newer):
                a, b = trail[older], trail[newer]
                if a.item_id != b.item_id and b.time_us - a.time_us <= NEIGHBOUR_SPAN_US:
                    expected[kind, a.item_id, b.item_id] += 1
                    expected[kind, b.item_id, a.item_id] += 1
    assert folded(events)[2] == expected


@given(histories())
def test_a_row_is_the_same_after_its_state_was_saved_and_read(events: list[Interaction]) -> None:
    state, saved = SessionState(), SessionState()
    for event in events:
        session.fold(state, event)
        saved = msgspec.msgpack.decode(msgspec.msgpack.encode(saved), type=SessionState)
        session.fold(saved, event)
    assert session.row("s1", saved) == session.row("s1", state)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_feature_times_rise_with_every_event_whatever_the_event_times(offsets: list[int]) -> None:
    state, shown = SessionState(), []
    for number, offset in enumerate(offsets):
        session.fold(state, Interaction(f"e{number}", "view", START + offset, "s1", "", "i1"))
        shown.append(session.row("s1", state).feature_time_us)
    assert shown == sorted(set(shown))
    assert shown[-1] - max(START + offset for offset in offsets) == len(offsets)


def test_the_largest_values_that_an_event_may_hold_can_be_saved_however_often_they_come() -> None:
    state = UserState()
    for number in range(100):
        event = Interaction(f"e{number}", "purchase", START + number, "s1", "u1", "i1", order_id=f"o{number}")
        event.price_cents, event.quantity, event.currency = 10**12, 1_000_000, "EUR"
        user.fold(state, event)
    saved = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserState)
    assert user.row("u1", saved) == user.row("u1", state)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["c1", "c2"])), min_size=1), st.randoms())
def test_what_shoppers_tell_of_an_item_has_the_same_row_and_feature_time_after_any_order_of_arrival(
    told: list[tuple[int, str]], chance: random.Random
) -> None:
    def learned(order: list[tuple[int, str]]) -> ItemCatalogue:
        state = CatalogueState()
        for number, (offset, category) in enumerate(order):
            item_catalogue.learn(state, Interaction(f"e{number}", "view", START + offset, "s1", "", "i1", category))
        return item_catalogue.row("i1", state)

    assert learned(chance.sample(told, len(told))) == learned(told)


@st.composite
def catalogue_events(draw: st.DrawFn) -> list[AnyCatalogueEvent]:
    """Up to 12 events of one item, each at a time of its own."""
    events: list[AnyCatalogueEvent] = []
    for number, offset in enumerate(draw(st.lists(st.integers(0, 10**12), min_size=1, max_size=12, unique=True))):
        at = {"event_id": f"e{number}", "event_time": utc_from_us(START + offset), "item_id": "i1"}
        kind = draw(st.sampled_from(["upsert", "upsert", "delete", "stock"]))
        if kind == "upsert":
            events.append(ItemUpsert(**at, title=f"t{number}"))
        else:
            events.append(ItemDelete(**at) if kind == "delete" else StockChange(**at, stock=number))
    return events


@given(catalogue_events())
def test_an_item_is_listed_since_its_earliest_upsert_and_the_last_row_says_so(events: list[AnyCatalogueEvent]) -> None:
    state, shown = CatalogueState(), None
    for event in events:
        if item_catalogue.fold(state, event):
            shown = item_catalogue.row("i1", state)
    upserts = [event.time_us for event in events if isinstance(event, ItemUpsert)]
    listed_at_ms = min(upserts, default=0) // 1_000
    assert (shown.listed_at_ms if shown else 0) == listed_at_ms

"""A row read later holds what a recount of its events gives as of then, whatever the events and the instant."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

from hypothesis import example, given
from hypothesis import strategies as st

from recommender.features import (
    CategoryTrend,
    Interaction,
    ItemActivity,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
    aged,
    item_activity,
    session,
    user,
)
from recommender.features.item_activity import ActivityState
from recommender.features.pairs import Pair
from recommender.features.session import SessionState
from recommender.features.user import INTEREST, UserState

SECOND = 1_000_000
HOUR = 3_600 * SECOND
DAY = 24 * HOUR
START = 1_700_000_100 * SECOND
"""On a border of panes of 10 s, 1 minute and 15 minutes, and 15 minutes after one of panes of 1 hour."""
WINDOWS = {"5m": (300, 10), "1h": (3_600, 60), "24h": (86_400, 900), "30d": (30 * 86_400, 3_600)}
"""Length and pane [s], as the page of features documents them."""
KINDS = {"view": "views", "add_to_cart": "carts", "purchase": "purchases"}

spans = st.one_of(
    st.integers(0, 40 * DAY),
    st.integers(0, 26 * HOUR),
    st.integers(0, 70 * 60 * SECOND),
    # On the border of a pane or of a window, or a microsecond beside it.
    st.tuples(
        st.sampled_from([10, 60, 300, 900, 3_600, 86_400, 30 * 86_400]), st.integers(0, 100), st.integers(-1, 1)
    ).map(lambda parts: max(0, min(parts[0] * parts[1], 35 * 86_400) * SECOND + parts[2])),
)
kinds = st.sampled_from([*KINDS, "click", "refund"])
histories = st.one_of(
    st.lists(st.tuples(spans, kinds), min_size=1, max_size=120),
    st.lists(st.tuples(st.integers(0, 23 * HOUR), kinds), min_size=10, max_size=60),
)
dense = st.lists(
    st.tuples(st.integers(0, 25 * 3_600).map(lambda seconds: seconds * SECOND), st.just("view")),
    min_size=150,
    max_size=300,
)


def count(times: Sequence[int], now: int, window: str) -> int:
    length, pane = (SECOND * seconds for seconds in WINDOWS[window])
    return sum(now // pane * pane - length + pane <= time < (now // pane + 1) * pane for time in times)


def faded(parts: Sequence[tuple[int, float]], now: int, half_life: int) -> float:
    return sum(weight * 2.0 ** (-(now - time) / half_life) for time, weight in parts)


def interactions(history: Sequence[tuple[int, str]]) -> list[Interaction]:
    events = []
    for number, (span, kind) in enumerate(history):
        event = Interaction(f"e{number}", kind, START + span, "s1", "u1", f"i{number % 3}")
        event.category, event.brand, event.price_cents = f"c{number % 4}", f"b{number % 2}", 100 + number
        events.append(event)
    return events


def user_row(history: Sequence[tuple[int, str]]) -> UserFeatures:
    state = UserState()
    for event in interactions(history):
        user.fold(state, event)
    return user.row("u1", state)


def item_row(history: Sequence[tuple[int, str]]) -> ItemActivity:
    state = ActivityState()
    for number, event in enumerate(interactions(history)):
        item_activity.fold(state, event)
        item_activity.fold_pair(state, Pair("i1", f"n{number % 3}", "view", event.time_us, 1))
        item_activity.fold_pair(state, Pair("i1", f"n{number % 2}", "purchase", event.time_us, 1))
    return item_activity.row("i1", state)


def instant(stored: UserFeatures | ItemActivity, later: int) -> int:
    """An instant not before the row's: that after the first event if it can be, else after the last."""
    first = START + later
    return first if first >= stored.feature_time_us else stored.feature_time_us + later


def times_of(history: Sequence[tuple[int, str]], kind: str) -> list[int]:
    return [START + span for span, one in history if one == kind]


def same_scores(
    keys: Sequence[str], scores: Sequence[float], parts: dict[str, list[tuple[int, float]]], now: int, half_life: int
) -> bool:
    return all(
        math.isclose(score, faded(parts[key], now, half_life), rel_tol=1e-9, abs_tol=1e-12)
        for key, score in zip(keys, scores, strict=True)
    )


@given(st.one_of(histories, dense), spans)
@example([(0, "view")], 300 * SECOND - 1)
@example([(0, "view")], 300 * SECOND)
@example([(0, "view")], DAY - 1)
@example([(0, "view")], DAY)
@example([(0, "purchase"), (30 * DAY - 901 * SECOND, "view")], 30 * DAY - 900 * SECOND - 1)
@example([(0, "purchase"), (30 * DAY - 901 * SECOND, "view")], 30 * DAY - 900 * SECOND)
def test_a_users_row_read_later_equals_a_recount_as_of_then(history: list[tuple[int, str]], later: int) -> None:
    stored = user_row(history)
    now = instant(stored, later)
    row = aged(stored, now)
    for kind, column in KINDS.items():
        for window in ["30d"] if kind == "purchase" else ["5m", "1h", "24h"]:
            assert getattr(row, f"{column}_{window}") == count(times_of(history, kind), now, window), (column, window)
    liked, brands = defaultdict(list), defaultdict(list)
    for event in interactions(history):
        if event.kind in INTEREST:
            liked[event.category].append((event.time_us, INTEREST[event.kind]))
            brands[event.brand].append((event.time_us, INTEREST[event.kind]))
    assert row.top_categories == stored.top_categories
    assert same_scores(row.top_categories, row.top_category_scores, liked, now, 7 * DAY)
    assert same_scores(row.top_brands, row.top_brand_scores, brands, now, 7 * DAY)
    assert row.feature_time_us == now
    for column in ("purchase_count", "order_count", "refund_count", "first_purchase_at_ms", "price_level_cents"):
        assert getattr(row, column) == getattr(stored, column)


@given(st.one_of(histories, dense), spans)
@example([(0, "purchase"), (0, "view")], DAY)
def test_an_items_row_read_later_equals_a_recount_as_of_then(history: list[tuple[int, str]], later: int) -> None:
    stored = item_row(history)
    now = instant(stored, later)
    row = aged(stored, now)
    for kind, column in KINDS.items():
        for window in ("5m", "1h", "24h"):
            assert getattr(row, f"{column}_{window}") == count(times_of(history, kind), now, window), (column, window)
    views, purchases = (count(times_of(history, kind), now, "24h") for kind in ("view", "purchase"))
    assert row.conversion_24h_ratio == (purchases / views if views else 0.0)
    interest = [(START + span, INTEREST[kind]) for span, kind in history if kind in INTEREST]
    assert math.isclose(row.trend_score, faded(interest, now, 6 * HOUR), rel_tol=1e-9)
    assert math.isclose(row.popularity_score, faded(interest, now, 28 * DAY), rel_tol=1e-9)
    viewed, bought = defaultdict(list), defaultdict(list)
    for number, (span, _) in enumerate(history):
        viewed[f"n{number % 3}"].append((START + span, 1.0))
        bought[f"n{number % 2}"].append((START + span, 1.0))
    assert row.also_viewed == stored.also_viewed
    assert same_scores(row.also_viewed, row.also_viewed_scores, viewed, now, 14 * DAY)
    assert same_scores(row.also_bought, row.also_bought_scores, bought, now, 14 * DAY)


def counts_of(row: UserFeatures | ItemActivity) -> dict[str, object]:
    return {
        name: getattr(row, name)
        for name in row.__struct_fields__
        if not name.endswith("_score") and "_scores" not in name
    }


@given(histories, st.lists(spans, min_size=2, max_size=4))
def test_ageing_in_steps_is_ageing_at_once_and_ageing_twice_is_ageing_once(
    history: list[tuple[int, str]], steps: list[int]
) -> None:
    for stored in (user_row(history), item_row(history)):
        now, row = stored.feature_time_us, stored
        for step in sorted(steps):
            now = max(now, stored.feature_time_us + step)
            row = aged(row, now)
        at_once = aged(stored, now)
        assert aged(at_once, now) == at_once
        assert counts_of(row) == counts_of(at_once)


@given(histories, st.integers(0, 40 * DAY))
def test_a_row_of_the_present_or_the_future_is_read_as_it_is(history: list[tuple[int, str]], earlier: int) -> None:
    for stored in (user_row(history), item_row(history)):
        assert aged(stored, stored.feature_time_us - earlier) is stored


@given(histories, spans)
def test_a_row_is_not_changed_by_being_read(history: list[tuple[int, str]], later: int) -> None:
    for stored, again in ((user_row(history), user_row(history)), (item_row(history), item_row(history))):
        aged(stored, stored.feature_time_us + later)
        assert stored == again


@given(dense)
def test_there_are_no_more_panes_in_a_row_than_in_its_windows(history: list[tuple[int, str]]) -> None:
    row = item_row(history)
    assert len(row.panes) <= 30 + 60 + 96
    assert sum(number >> 20 for number in row.panes) == row.views_24h


@given(st.lists(st.floats(0.001, 1e6), max_size=20), spans)
def test_trends_of_a_category_fade_with_a_half_life_of_6_hours(scores: list[float], later: int) -> None:
    stored = CategoryTrend("c", START, [f"i{place}" for place in range(len(scores))], scores)
    row = aged(stored, START + later)
    assert row.trending_items == stored.trending_items
    expected = [score * 2.0 ** (-later / (6 * HOUR)) for score in scores]
    assert all(math.isclose(one, other, rel_tol=1e-9) for one, other in zip(row.trending_scores, expected, strict=True))


def session_row(kinds: Sequence[str] = ("view", "search", "add_to_cart")) -> SessionFeatures:
    state = SessionState()
    for number, kind in enumerate(kinds):
        event = Interaction(f"e{number}", kind, START + number * 60 * SECOND, "s1", "u1", "i1")
        event.category, event.query = "c1", "boots" if kind == "search" else ""
        session.fold(state, event)
    return session.row("s1", state)


def test_a_visit_is_read_as_it_is_for_30_minutes_after_its_last_event_and_then_no_more() -> None:
    stored = session_row()
    end = stored.feature_time_us + 30 * 60 * SECOND
    assert aged(stored, end) == stored
    over = aged(stored, end + 1)
    assert (over.started_at_ms, over.duration_s, over.events, over.views, over.distinct_categories) == (0, 0.0, 0, 0, 0)
    assert (over.recent_items, over.recent_queries, over.cart_items) == (["i1"], ["boots"], ["i1"])
    assert over.feature_time_us == stored.feature_time_us


def test_a_cart_is_read_as_it_is_for_30_days_and_then_as_empty() -> None:
    stored = session_row()
    assert aged(stored, stored.feature_time_us + 30 * DAY).cart_items == ["i1"]
    assert aged(stored, stored.feature_time_us + 30 * DAY + 1).cart_items == []


@given(st.lists(spans, min_size=2, max_size=4))
def test_ageing_a_session_in_steps_is_ageing_it_at_once(steps: list[int]) -> None:
    stored = row = session_row()
    for step in sorted(steps):
        row = aged(row, stored.feature_time_us + step)
    assert row == aged(stored, stored.feature_time_us + max(steps))


def test_what_the_catalogue_says_does_not_age() -> None:
    row = ItemCatalogue("i1", START, True, 5, 1_000, "EUR", "A tent", "Camping", "", [], "", "", 0)
    assert aged(row, START + 400 * DAY) is row


def test_what_a_shopper_has_looked_at_and_bought_does_not_age() -> None:
    items = UserItems("u1", START, ["i1"], [START // 1_000], [2])
    purchases = UserPurchases("u1", START, ["i1"], [2], [3], [START // 1_000], [3.5])
    assert aged(items, START + 400 * DAY) is items
    assert aged(purchases, START + 400 * DAY) is purchases


def test_interest_of_years_ago_is_small_but_keeps_its_order() -> None:
    row = aged(user_row([(0, "view"), (1, "purchase"), (2, "click")]), START + 10 * 365 * DAY)
    assert row.top_category_scores == sorted(row.top_category_scores, reverse=True)
    assert 0.0 < min(row.top_category_scores) < max(row.top_category_scores) < 1e-100

"""The top of a category is what a count of all its items gives, whatever was pruned, left or became less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.features import Interaction, category, item_activity
from recommender.features.category import TRENDING, CategoryState
from recommender.features.item_activity import TREND_HALF_LIFE_US, ActivityState, CategoryEntry

START_US = 1_700_000_000_000_000
GONE = 1e-9

entries = st.lists(
    st.tuples(
        st.integers(0, 150),  # item
        st.sampled_from([0, 1, 60_000_000, TREND_HALF_LIFE_US]),  # later than the entry before
        st.sampled_from([1.0, 1.0, 2.0, 3.5, 50.0, None]),  # trend; None: the item has left
        st.booleans(),  # a row is asked for
    ),
    min_size=1,
    max_size=400,
)


@given(entries)
def test_the_top_is_that_of_all_items_of_the_category(steps: list[tuple[int, int, float | None, bool]]) -> None:
    state, now_us = CategoryState(), START_US
    trends: dict[str, tuple[int, float]] = {}
    for number, later_us, trend, asks in [*steps, (0, 0, 1.0, True)]:
        item_id = f"item{number}"
        now_us += later_us
        if trend is None:
            category.fold(state, CategoryEntry("Shoes", item_id, now_us, 0.0, left=True))
            trends.pop(item_id, None)
        else:
            category.fold(state, CategoryEntry("Shoes", item_id, now_us, trend))
            trends[item_id] = (now_us, trend)
        if asks:
            row = category.row("Shoes", state)
            passed = ((key, row.feature_time_us - at, trend) for key, (at, trend) in trends.items())
            counted = [(trend * 2.0 ** (-us / TREND_HALF_LIFE_US), key) for key, us, trend in passed]
            expected = sorted((score for score, _ in counted if score > 2 * GONE), reverse=True)[:TRENDING]
            shown = [score for score in row.trending_scores if score > 2 * GONE]
            assert shown == pytest.approx(expected)
            assert set(row.trending_items) <= set(trends)


def test_a_batch_of_many_items_does_not_lengthen_the_list_that_is_searched_for_each() -> None:
    state = CategoryState()
    for number in range(5_000):
        category.fold(state, CategoryEntry("Shoes", f"item{number}", START_US + number, float(1 + number)))
    assert len(state.top) < 200
    assert category.row("Shoes", state).trending_items == [f"item{number}" for number in range(4_999, 4_979, -1)]


@given(st.lists(st.sampled_from([0, 1, 100, 900, 1_010, 1_023, 1_100, 60_000]), min_size=1, max_size=6))
def test_an_event_of_long_ago_changes_nothing_about_the_interest_of_today(half_lives_ago: list[int]) -> None:
    item, shoes = ActivityState(), CategoryState()
    for number, ago in enumerate(half_lives_ago):
        time_us = START_US - ago * TREND_HALF_LIFE_US
        event = Interaction(f"e{number}", "view", time_us, f"s{number}", "", "boot", "Shoes")
        item_activity.file_under(item, "boot", "Shoes", time_us)
        item_activity.fold(item, event)
        for entry in item_activity.category_entries(item, "boot", time_us, 1):
            category.fold(shoes, entry)
        latest_us = START_US - min(half_lives_ago[: number + 1]) * TREND_HALF_LIFE_US
        expected = sum(2.0 ** max(min(half_lives_ago[: number + 1]) - ago, -99) for ago in half_lives_ago[: number + 1])
        row = category.row("Shoes", shoes)
        assert row.feature_time_us == latest_us + number + 1
        assert row.trending_items == ["boot"]
        assert row.trending_scores == pytest.approx([expected])

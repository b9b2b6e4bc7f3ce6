"""Decayed sums equal the sum of their parts, each weighted by its age."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.features.decay import DecayedSums

HALF_LIFE = 3_600_000_000
DAY = 86_400_000_000
parts = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 30 * DAY), st.sampled_from([1.0, 2.0, 5.0])),
    min_size=1,
    max_size=40,
)


def naive(all_parts: list[tuple[str, int, float]], key: str, now: int) -> float:
    return sum(weight * 2.0 ** (-(now - t) / HALF_LIFE) for k, t, weight in all_parts if k == key)


@given(parts)
def test_sums_equal_a_naive_sum_in_any_order_and_over_any_span(all_parts: list[tuple[str, int, float]]) -> None:
    sums = DecayedSums()
    for key, time_us, weight in all_parts:
        sums.add(key, time_us, weight, HALF_LIFE)
    now = max(t for _, t, _ in all_parts)
    for key in "abc":
        assert math.isclose(sums.at(key, now, HALF_LIFE), naive(all_parts, key, now), rel_tol=1e-9, abs_tol=1e-9)


@given(parts)
def test_the_top_is_sorted_and_leaves_out_nothing_larger(all_parts: list[tuple[str, int, float]]) -> None:
    sums = DecayedSums()
    for key, time_us, weight in all_parts:
        sums.add(key, time_us, weight, HALF_LIFE)
    now = max(t for _, t, _ in all_parts)
    keys, scores = sums.top(2, now, HALF_LIFE)
    assert scores == sorted(scores, reverse=True)
    left_out = [sums.at(key, now, HALF_LIFE) for key in "abc" if key not in keys]
    assert all(score <= min(scores) for score in left_out)


def test_a_part_that_was_taken_back_is_gone_from_the_top() -> None:
    sums = DecayedSums()
    for weight in (1, 1, -1, -1):
        sums.add("a", DAY, weight, HALF_LIFE)
    assert sums.top(5, DAY, HALF_LIFE) == ([], [])


def test_sums_over_decades_neither_overflow_nor_lose_the_present() -> None:
    sums = DecayedSums()
    for year in range(40):
        sums.add("a", year * 365 * DAY, 1.0, HALF_LIFE)
    assert sums.at("a", 39 * 365 * DAY, HALF_LIFE) == pytest.approx(1.0)


def test_pruning_keeps_the_largest() -> None:
    sums = DecayedSums()
    for number in range(100):
        sums.add(f"k{number:02d}", DAY, float(number + 1), HALF_LIFE)
    sums.prune(10, 20)
    assert sorted(sums.sums) == [f"k{number}" for number in range(90, 100)]

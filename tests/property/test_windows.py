"""Window counts equal a count of the panes, whatever the order in which events arrive."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from recommender.features.windows import WINDOW_1H, WINDOW_5M, WINDOW_24H, WINDOW_30D, PaneCount, Window, WindowCounts

START = 1_700_000_000_000_000
times = st.lists(st.integers(0, 3 * 86_400_000_000).map(lambda offset: START + offset), min_size=1, max_size=60)


def naive(all_times: list[int], now: int, window: Window) -> int:
    pane = window.pane_us
    return sum(1 for t in all_times if now // pane - window.length_us // pane < t // pane <= now // pane)


@given(times, st.randoms(use_true_random=False))
def test_the_three_short_windows_equal_a_naive_count_after_any_order_of_arrival(
    all_times: list[int], chance: random.Random
) -> None:
    chance.shuffle(all_times)
    counts, latest, seen = WindowCounts(), 0, []
    for time_us in all_times:
        counts.add(time_us)
        seen.append(time_us)
        latest = max(latest, time_us)
        expected = tuple(naive(seen, latest, window) for window in (WINDOW_5M, WINDOW_1H, WINDOW_24H))
        assert counts.at(latest) == expected


@given(times)
def test_a_single_window_equals_a_naive_count(all_times: list[int]) -> None:
    count = PaneCount()
    for time_us in all_times:
        count.add(time_us, WINDOW_30D)
    assert count.at(max(all_times), WINDOW_30D) == naive(all_times, max(all_times), WINDOW_30D)


def test_an_event_leaves_the_window_when_its_pane_does() -> None:
    counts = WindowCounts()
    event = 1_700_000_005_000_000  # 5 s into a pane of 10 s that began at ...000
    counts.add(event)
    last_inside = 1_700_000_000_000_000 + WINDOW_5M.length_us - 1
    assert counts.at(last_inside)[0] == 1
    assert counts.at(last_inside + 1)[0] == 0


def test_counting_costs_no_more_memory_than_the_panes_of_the_window() -> None:
    counts = WindowCounts()
    for second in range(100_000):
        counts.add(START + second * 1_000_000)
        counts.at(START + second * 1_000_000)
    assert len(counts.in_5m) <= WINDOW_5M.panes
    assert len(counts.in_1h) <= WINDOW_1H.panes
    assert len(counts.in_24h) <= WINDOW_24H.panes

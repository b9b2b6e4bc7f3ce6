"""Window counts equal a count of the panes, whatever the order in which events arrive."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from recommender.features.windows import (
    WINDOW_1H,
    WINDOW_5M,
    WINDOW_24H,
    WINDOW_30D,
    PaneCount,
    Panes,
    Window,
    count_in,
    counts_at,
)

START = 1_700_000_000_000_000
SHORT = (WINDOW_5M, WINDOW_1H, WINDOW_24H)
times = st.lists(st.integers(0, 3 * 86_400_000_000).map(lambda offset: START + offset), min_size=1, max_size=60)
crowds = st.lists(st.integers(0, 26 * 3_600_000_000).map(lambda offset: START + offset), min_size=65, max_size=300)


def naive(all_times: list[int], now: int, window: Window) -> int:
    pane = window.pane_us
    return sum(1 for t in all_times if now // pane - window.length_us // pane < t // pane <= now // pane)


@given(st.one_of(times, crowds), st.randoms(use_true_random=False))
def test_the_three_short_windows_equal_a_naive_count_after_any_order_of_arrival(
    all_times: list[int], chance: random.Random
) -> None:
    chance.shuffle(all_times)
    panes: Panes = {}
    latest, seen = 0, []
    for time_us in all_times:
        count_in(panes, time_us)
        seen.append(time_us)
        latest = max(latest, time_us)
        assert counts_at(panes, latest) == tuple(naive(seen, latest, window) for window in SHORT)
    for later in sorted(latest + chance.randrange(2 * 86_400_000_000) for _ in range(5)):
        assert counts_at(panes, later) == tuple(naive(seen, later, window) for window in SHORT)


@given(times)
def test_a_single_window_equals_a_naive_count(all_times: list[int]) -> None:
    count = PaneCount()
    for time_us in all_times:
        count.add(time_us, WINDOW_30D)
    assert count.at(max(all_times), WINDOW_30D) == naive(all_times, max(all_times), WINDOW_30D)


def test_an_event_leaves_the_window_when_its_pane_does() -> None:
    panes: Panes = {}
    event = 1_700_000_005_000_000  # 5 s into a pane of 10 s that began at ...000
    count_in(panes, event)
    last_inside = 1_700_000_000_000_000 + WINDOW_5M.length_us - 1
    assert counts_at(panes, last_inside)[0] == 1
    assert counts_at(panes, last_inside + 1)[0] == 0


def test_counting_costs_no_more_memory_than_the_panes_of_the_windows() -> None:
    panes: Panes = {}
    most = 0
    for second in range(100_000):
        count_in(panes, START + second * 1_000_000)
        counts_at(panes, START + second * 1_000_000)
        most = max(most, len(panes))
    assert most <= sum(window.panes for window in SHORT)

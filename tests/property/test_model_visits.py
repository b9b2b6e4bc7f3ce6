"""The index of visits against a slow plain recount, over random events."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.model import visits as visits_module
from recommender.model.visits import Visits

Event = tuple[int, int, int]
"""Which visit, item, time."""

times = st.integers(0, 10**6)
logs = st.lists(st.tuples(st.integers(-3, 12), st.integers(0, 8), times), max_size=60, unique_by=lambda event: event[2])


def index_of(log: list[Event], most: int = 50) -> Visits:
    visits, items, at_us = (np.array([event[column] for event in log], np.int64) for column in range(3))
    return Visits.of_events(visits, items, at_us, most)


def plain_visits(log: list[Event], most: int = 50) -> list[tuple[int, list[int]]]:
    """End and items of each visit, the items by their last meeting, the visits by their ends."""
    last: dict[int, dict[int, int]] = defaultdict(dict)
    for visit, item, time_us in log:
        last[visit][item] = max(time_us, last[visit].get(item, 0))
    found = [
        (max(items.values()), sorted(items, key=lambda item, items=items: items[item])[-most:])
        for items in last.values()
    ]
    return sorted((end, items) for end, items in found if len(items) > 1)


def plain_alike(
    visits: list[tuple[int, list[int]]], asked: dict[int, float], latest: int, neighbours: int
) -> dict[int, float]:
    """Each item's score: rarity times the likeness of those of the visits most alike that it is in."""
    of_item = defaultdict(list)
    for number, (_, items) in enumerate(visits):
        for item in items:
            of_item[item].append(number)
    rarity = {item: math.log1p(len(visits) / len(numbers)) for item, numbers in of_item.items()}
    likeness: dict[int, float] = defaultdict(float)
    for item, weight in asked.items():
        for number in of_item[item][-latest:]:
            likeness[number] += weight * rarity[item]
    nearest = sorted(likeness, key=lambda number: (likeness[number], number))[-neighbours:]
    scores: dict[int, float] = defaultdict(float)
    for number in nearest:
        for item in visits[number][1]:
            scores[item] += likeness[number] * rarity[item]
    return scores


@given(logs, st.integers(2, 5))
def test_visits_hold_each_item_once_at_its_last_meeting_and_the_latest_items_alone(log: list[Event], most: int) -> None:
    index, expected = index_of(log, most), plain_visits(log, most)
    items = np.split(index.items, index.starts[1:-1]) if len(index) else []
    assert [(end, part.tolist()) for end, part in zip(index.ends_us.tolist(), items, strict=True)] == expected
    assert len(index) == len(expected)
    assert (index.starts.dtype, index.items.dtype, index.ends_us.dtype) == (np.int64, np.int32, np.int64)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    logs,
    st.dictionaries(st.integers(0, 10), st.sampled_from([1.0, 0.5, 0.3]), max_size=4),
    st.sampled_from([(500, 200), (2, 200), (500, 2), (1, 1)]),
)
def test_items_of_the_visits_most_alike_are_scored_as_a_plain_recount_does(
    monkeypatch: pytest.MonkeyPatch, log: list[Event], asked: dict[int, float], limits: tuple[int, int]
) -> None:
    monkeypatch.setattr(visits_module, "LATEST_VISITS", limits[0])
    monkeypatch.setattr(visits_module, "NEIGHBOURS", limits[1])
    weights = {item: weight + 1e-4 * place for place, (item, weight) in enumerate(asked.items())}
    index = index_of(log)
    items, scores = index.alike(np.array(list(weights), np.int64), np.array(list(weights.values())))
    expected = plain_alike(plain_visits(log), weights, *limits)
    assert set(items.tolist()) == set(expected)
    assert dict(zip(items.tolist(), scores.tolist(), strict=True)) == pytest.approx(expected, rel=1e-4)
    assert (items.dtype, scores.dtype) == (np.int32, np.float32)


def test_of_visits_equally_alike_the_later_ones_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits_module, "NEIGHBOURS", 3)
    log = [(visit, item, 10 * visit + place) for visit in range(9) for place, item in enumerate((0, visit + 1))]
    items, _ = index_of(log).alike(np.array([0]), np.ones(1))
    assert sorted(items.tolist()) == [0, 7, 8, 9]

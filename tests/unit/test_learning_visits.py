"""Visits of late, added to those of a version."""

from __future__ import annotations

import random

import numpy as np

from recommender.learning.visits import RecentVisits
from recommender.model.links import Links
from recommender.model.parts import Parts
from recommender.model.visits import Visits
from recommender.training.fitting import followers
from tests.learning import START_US

ITEMS = 40
DAY_US = 86_400_000_000


def looks(visits: range, seed: int) -> list[tuple[int, int, int]]:
    """Session, item and time of looks, a visit a day."""
    draw = random.Random(seed)
    return [
        (visit, draw.randrange(ITEMS), START_US + visit * DAY_US + step * 1_000_000)
        for visit in visits
        for step in range(draw.randrange(1, 6))
    ]


def index(events: list[tuple[int, int, int]]) -> Visits:
    sessions, items, times = (np.array(column, np.int64) for column in zip(*events, strict=True))
    return Visits.of_events(sessions, items, times, 50)


def dense(links: Links, size: int) -> np.ndarray:
    matrix = np.zeros((size, size))
    for row in range(size):
        items, weights = links.of(row)
        matrix[row, items] = weights
    return matrix


def test_visits_and_followers_are_those_of_an_index_made_of_all_events_at_once() -> None:
    old, new = looks(range(30), 1), looks(range(30, 50), 2)
    before = index(old)
    parts = Parts(visits=before, followers=followers(before, ITEMS))
    recent = RecentVisits()
    for look in new:
        recent.add(*look)
    found, whole = recent.added_to(parts, np.arange(ITEMS), ITEMS), index(old + new)
    for name in ("starts", "items", "ends_us"):
        np.testing.assert_array_equal(getattr(found.visits, name), getattr(whole, name))
    np.testing.assert_allclose(dense(found.followers, ITEMS), dense(followers(whole, ITEMS), ITEMS), rtol=1e-5)


def test_new_items_have_places_behind_the_others_and_those_without_one_are_left_out() -> None:
    parts = Parts(visits=(before := index(looks(range(10), 1))), followers=followers(before, ITEMS))
    recent = RecentVisits()
    for step, item in enumerate((3, 41, 40, 5)):
        recent.add(99, item, START_US + 20 * DAY_US + step)
    places = np.r_[np.arange(ITEMS), -1, ITEMS]
    found = recent.added_to(parts, places, ITEMS + 1)
    assert found.visits.items[found.visits.starts[-2] :].tolist() == [3, ITEMS, 5]
    items, weights = found.followers.of(3)
    assert dict(zip(items.tolist(), weights.tolist(), strict=True))[ITEMS] == 1.0
    assert found.followers.of(ITEMS)[0].tolist() == [5]


def test_a_visit_ends_after_a_pause_and_nothing_of_late_changes_nothing() -> None:
    parts, recent = Parts(), RecentVisits()
    assert recent.added_to(parts, np.arange(ITEMS), ITEMS) is parts
    for step, at_us in enumerate((0, 1, 3_600_000_000, 3_600_000_001)):
        recent.add(7, step, START_US + at_us)
    assert np.diff(recent.added_to(parts, np.arange(ITEMS), ITEMS).visits.starts).tolist() == [2, 2]

"""Links between items, fitted, against textbook solutions."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
import scipy.sparse as sp

from recommender.model.links import Links
from recommender.model.parts import no_visits
from recommender.model.visits import Visits
from recommender.training import fitting
from recommender.training.fitting import FOLLOWER_HALF_LIFE_US, fit_linear, followers, links_of

DAY_US = 86_400_000_000


def dense(links: Links, n_items: int) -> np.ndarray:
    matrix = np.zeros((n_items, n_items))
    for item in range(n_items):
        found, weights = links.of(item)
        matrix[item, found] = weights
    return matrix


def histories(shoppers: int, items: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((shoppers, items)) < 0.4).astype(np.float32)


def ease(histories: np.ndarray, l2: float) -> np.ndarray:
    """The minimum of ``|X - XB|^2 + l2 |B|^2`` with a diagonal of zeros, column by column by the normal equations."""
    items = histories.shape[1]
    weights = np.zeros((items, items))
    for item in range(items):
        others = [other for other in range(items) if other != item]
        some = histories[:, others].astype(np.float64)
        weights[others, item] = np.linalg.solve(
            some.T @ some + l2 * np.eye(items - 1), some.T @ histories[:, item].astype(np.float64)
        )
    return weights


@pytest.mark.parametrize("l2", [0.5, 20.0, 500.0])
def test_the_linear_model_is_the_positive_part_of_the_textbook_solution(l2: float) -> None:
    matrix = histories(40, 12, seed=1)
    expected = ease(matrix, l2)
    assert (expected < 0).any() == (l2 < 100)
    found = dense(fit_linear(sp.csr_matrix(matrix), l2), 12)
    np.testing.assert_allclose(found, np.maximum(expected, 0), rtol=1e-3, atol=1e-6)


def test_items_that_nobody_met_lead_nowhere_and_change_nothing() -> None:
    matrix = histories(40, 12, seed=2)
    wider = np.zeros((40, 20), np.float32)
    places = np.array([0, 2, 3, 5, 7, 8, 11, 12, 13, 16, 18, 19])
    wider[:, places] = matrix
    found = dense(fit_linear(sp.csr_matrix(wider), 5.0), 20)
    np.testing.assert_allclose(
        found[np.ix_(places, places)], dense(fit_linear(sp.csr_matrix(matrix), 5.0), 12), rtol=1e-5
    )
    nowhere = np.setdiff1d(np.arange(20), places)
    assert not found[nowhere].any()
    assert not found[:, nowhere].any()


def test_of_many_items_the_most_met_ones_are_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "MOST_LINEAR_ITEMS", 5)
    matrix = histories(60, 9, seed=3)
    matrix[:, [0, 4, 5, 8]] *= histories(60, 4, seed=4)  # met less often
    kept = np.array([1, 2, 3, 6, 7])
    expected = np.zeros((9, 9))
    expected[np.ix_(kept, kept)] = np.maximum(ease(matrix[:, kept], 3.0), 0)
    np.testing.assert_allclose(dense(fit_linear(sp.csr_matrix(matrix), 3.0), 9), expected, rtol=1e-3, atol=1e-6)


def test_of_each_item_the_strongest_links_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "LINKS_EACH", 3)
    matrix = histories(80, 15, seed=5)
    expected = np.maximum(ease(matrix, 10.0), 0)
    for row in expected:
        row[np.argsort(-row)[3:]] = 0
    np.testing.assert_allclose(dense(fit_linear(sp.csr_matrix(matrix), 10.0), 15), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("met", [0, 1])
def test_one_item_alone_leads_nowhere(met: int) -> None:
    matrix = sp.csr_matrix((np.ones(met, np.float32), (np.zeros(met, int), np.zeros(met, int))), shape=(4, 6))
    links = fit_linear(matrix, 1.0)
    assert len(links.items) == 0
    assert links.starts.tolist() == [0] * 7


def test_links_are_the_largest_positive_entries_of_each_row() -> None:
    matrix = np.array([[0.0, 3.0, -9.0, 1.0, 2.0], [0.0] * 5, [5.0, 0.0, 0.0, 0.0, 4.0]])
    links = links_of(sp.csr_matrix(matrix), each=2)
    assert links.starts.tolist() == [0, 2, 2, 4]
    assert dict(zip(*(part.tolist() for part in links.of(0)), strict=True)) == {1: 3.0, 4: 2.0}
    assert dict(zip(*(part.tolist() for part in links.of(2)), strict=True)) == {0: 5.0, 4: 4.0}


def visits_of(sequences: list[list[int]], gap_us: int) -> Visits:
    """Visits one after the other, their items a second apart."""
    events = [
        (number, item, number * gap_us + place * 1_000_000)
        for number, items in enumerate(sequences)
        for place, item in enumerate(items)
    ]
    return Visits.of_events(*(np.array(column, np.int64) for column in zip(*events, strict=True)), 50)


def test_followers_count_by_distance_and_fade_with_the_age_of_their_visit() -> None:
    draw = random.Random(6)
    sequences = [draw.sample(range(20), draw.randrange(2, 16)) for _ in range(30)]
    visits = visits_of(sequences, DAY_US)
    expected = defaultdict(float)
    for number, items in enumerate(sequences):
        age = int(visits.ends_us[-1] - visits.ends_us[number])
        for place, item in enumerate(items):
            for distance, other in enumerate(items[place + 1 : place + 1 + fitting.REACH], 1):
                expected[item, other] += 2.0 ** (-age / FOLLOWER_HALF_LIFE_US) / distance
    found = dense(followers(visits, 20), 20)
    assert {(item, other) for item, other in zip(*found.nonzero(), strict=True)} == set(expected)
    for (item, other), weight in expected.items():
        assert found[item, other] == pytest.approx(weight, rel=1e-4)


def test_what_came_before_an_item_does_not_follow_it() -> None:
    assert dense(followers(visits_of([[0, 1, 2]], DAY_US), 3), 3).tolist() == [[0, 1, 0.5], [0, 0, 1], [0, 0, 0]]


def test_without_visits_nothing_follows() -> None:
    assert followers(no_visits(), 4).starts.tolist() == [0] * 5

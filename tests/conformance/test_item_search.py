"""What every search for the items of highest score keeps to: asking all of them, and some cells of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.rollback.shop import clustered
from recommender.model.best import best
from recommender.serving.cells import cells_for, make_cells
from recommender.serving.item_vectors import ItemVectors
from tests.spec.test_slate import catalogue
from tests.unit.serving_fakes import FakeModel

ITEMS, DIMENSIONS, MOST = 4_000, 16, 100
IDS = [f"i{number}" for number in range(ITEMS)]


def model(seed: int = 0, drift: float = 0.0) -> FakeModel:
    found = FakeModel(IDS, size=DIMENSIONS)
    rng = np.random.default_rng(seed)
    found.item_vectors = clustered(ITEMS, DIMENSIONS, 40, rng) * rng.lognormal(0.0, 0.3, (ITEMS, 1)).astype(np.float32)
    found.item_vectors += (drift * rng.standard_normal(found.item_vectors.shape)).astype(np.float32)
    found.item_biases = rng.normal(0.0, 0.3, ITEMS).astype(np.float32)
    return found


def exact(served: FakeModel) -> ItemVectors:
    return put_in_order(ItemVectors(served))


def in_cells(served: FakeModel) -> ItemVectors:
    return put_in_order(ItemVectors(served, make_cells(served.item_vectors, served.item_biases, 64)))


def put_in_order(vectors: ItemVectors) -> ItemVectors:
    vectors.put_all(IDS, [None] * ITEMS)
    return vectors


@pytest.fixture(params=[exact, in_cells])
def search(request: pytest.FixtureRequest) -> Callable[[FakeModel], ItemVectors]:
    kind: Callable[[FakeModel], ItemVectors] = request.param
    return kind


def shoppers(vectors: ItemVectors, count: int = 50) -> np.ndarray:
    """Shoppers who have looked at three items of one cluster and one of another."""
    rng = np.random.default_rng(9)
    items = np.array([[first, first + 40, first + 80, other] for first, other in rng.integers(3_000, size=(count, 2))])
    return np.asarray(vectors.model.item_vectors)[items].sum(axis=1)


def recall(vectors: ItemVectors, eligible: np.ndarray) -> float:
    """Share of the items of highest score that are found."""
    shares = []
    for shopper in shoppers(vectors):
        scores = np.where(eligible, vectors.scores_of(shopper, np.arange(ITEMS)), -np.inf)
        rows, found = vectors.top(shopper, eligible, MOST)
        assert len(set(rows.tolist())) == len(rows) == MOST
        assert eligible[rows].all()
        np.testing.assert_allclose(found, scores[rows], rtol=1e-5)
        assert (np.diff(found) <= 0).all()
        shares.append(len(np.intersect1d(rows, np.argsort(-scores)[:MOST])) / MOST)
    return float(np.mean(shares))


EVERYTHING = np.ones(ITEMS, bool)


def test_the_best_items_are_found_with_their_scores_the_best_first(search: Callable[..., ItemVectors]) -> None:
    assert recall(search(model()), EVERYTHING) > 0.97


def test_what_is_not_eligible_is_not_found_and_others_take_its_place(search: Callable[..., ItemVectors]) -> None:
    vectors = search(model())
    for share in (0.9, 0.5, 0.1, 0.03):
        eligible = np.random.default_rng(1).random(ITEMS) < share
        assert recall(vectors, eligible) > 0.95


def test_where_fewer_are_eligible_all_of_them_are_found(search: Callable[..., ItemVectors]) -> None:
    vectors = search(model())
    eligible = np.zeros(ITEMS, bool)
    eligible[[5, 7, 3_999]] = True
    rows, _ = vectors.top(shoppers(vectors)[0], eligible, MOST)
    assert sorted(rows.tolist()) == [5, 7, 3_999]
    assert len(vectors.top(shoppers(vectors)[0], np.zeros(ITEMS, bool), MOST)[0]) == 0


def test_an_item_that_was_not_trained_on_is_found_as_soon_as_it_is_there_and_as_it_is(
    search: Callable[..., ItemVectors],
) -> None:
    vectors = search(model())
    shopper = np.full(DIMENSIONS, 3.0, np.float32)  # content alone is half of 1 in each dimension
    described = catalogue("new", "A", 1)
    vectors.put(ITEMS, "new", described)
    vectors.put(ITEMS + 1, "newer", described)

    rows, scores = vectors.top(shopper, np.ones(ITEMS + 2, bool), MOST)
    assert rows[:2].tolist() == [ITEMS, ITEMS + 1]
    np.testing.assert_allclose(scores[:2], 3.0 * DIMENSIONS / 2 + 0.25)
    assert vectors.nearest(ITEMS, np.ones(ITEMS + 2, bool), 2)[0].tolist() == [ITEMS, ITEMS + 1]

    vectors.put(ITEMS, "new", catalogue("new", "", 1))  # nothing is known of it any more
    rows, _ = vectors.top(shopper, np.ones(ITEMS + 2, bool), MOST)
    assert rows[0] == ITEMS + 1
    assert ITEMS not in rows
    assert np.isnan(vectors.scores_of(shopper, np.array([ITEMS]))[0])
    assert ITEMS + 1 not in vectors.top(shopper, np.ones(ITEMS + 1, bool), MOST)[0]


def test_items_that_the_model_cannot_score_are_not_found(search: Callable[..., ItemVectors]) -> None:
    served = model()
    served.item_vectors[7] = 0.0
    vectors = search(served)
    vectors.put(ITEMS, "unknown", None)
    rows, _ = vectors.top(shoppers(vectors)[0], np.ones(ITEMS + 1, bool), ITEMS + 1)
    assert sorted(rows.tolist()) == [row for row in range(ITEMS) if row != 7]


def test_items_that_the_shop_does_not_have_are_not_found(search: Callable[..., ItemVectors]) -> None:
    served = model()
    found = search(served)
    few = ItemVectors(served, found.cells)
    few.put_all(IDS[:50], [None] * 50)
    shopper = shoppers(found)[0]
    rows, scores = few.top(shopper, np.ones(50, bool), MOST)
    assert sorted(rows.tolist()) == [*range(50)]
    np.testing.assert_allclose(scores, few.scores_of(shopper, rows), rtol=1e-5)


def test_the_items_most_in_the_direction_of_another_are_found(search: Callable[..., ItemVectors]) -> None:
    served = model()
    vectors = search(served)
    eligible = np.random.default_rng(2).random(ITEMS) < 0.8
    units = served.item_vectors / np.linalg.norm(served.item_vectors, axis=1, keepdims=True)
    shares = []
    for row in range(0, ITEMS, 200):
        true = np.where(eligible, units @ units[row], -np.inf)
        rows, cosines = vectors.nearest(row, eligible, MOST)
        assert eligible[rows].all()
        np.testing.assert_allclose(cosines, true[rows], atol=1e-5)
        assert (np.diff(cosines) <= 0).all()
        shares.append(len(np.intersect1d(rows, np.argsort(-true)[:MOST])) / MOST)
    assert np.mean(shares) > 0.95


@pytest.mark.parametrize("count", [1, 150, 3_000, 100_000])
@pytest.mark.parametrize(
    "kind", ["all different", "many equal", "all equal", "clustered in place", "few above the others"]
)
def test_the_best_of_many_are_those_of_a_stable_sort(count: int, kind: str) -> None:
    rng = np.random.default_rng(4)
    scores = {
        "all different": rng.standard_normal(count),
        "many equal": rng.integers(50, size=count).astype(float),
        "all equal": np.zeros(count),
        "clustered in place": np.sort(rng.standard_normal(count)),
        "few above the others": np.where(np.arange(count) % 16 == 3, rng.random(count), -np.inf),
    }[kind]
    for most in (1, 150, 2_000):
        assert best(scores, most).tolist() == np.argsort(-scores, kind="stable")[:most].tolist()


def test_cells_hold_each_item_once_at_places_side_by_side() -> None:
    served = model()
    served.item_vectors[[3, 5]] = 0.0
    cells = make_cells(served.item_vectors, served.item_biases, 64)
    assert sorted(cells.numbers.tolist()) == [row for row in range(ITEMS) if row not in (3, 5)]
    assert cells.place_of[cells.numbers].tolist() == [*range(ITEMS - 2)]
    assert cells.place_of[[3, 5]].tolist() == [-1, -1]
    np.testing.assert_array_equal(cells.points[:, :-1], served.item_vectors[cells.numbers])
    np.testing.assert_array_equal(cells.points[:, -1], served.item_biases[cells.numbers])
    assert (cells.starts[0], cells.starts[-1]) == (0, ITEMS - 2)
    assert (np.diff(cells.starts) >= 0).all()
    asked = np.array([2, 3, 40])
    places = cells.places(asked)
    np.testing.assert_array_equal(cells.places(asked, np.arange(len(places))), places)
    assert places.tolist() == [place for cell in asked for place in range(cells.starts[cell], cells.starts[cell + 1])]


def test_items_are_put_in_the_same_cells_each_time() -> None:
    """Processes that share them may each have made them."""
    one, other = (make_cells(model().item_vectors, model().item_biases, 64) for _ in range(2))
    for mine, yours in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, yours)


@pytest.mark.parametrize("items", [0, 1, 2, 50])
def test_hardly_any_items_do_no_harm(items: int) -> None:
    served = FakeModel([f"i{number}" for number in range(items)], size=DIMENSIONS)
    vectors = ItemVectors(served, make_cells(served.item_vectors, served.item_biases, 8))
    vectors.put_all(served.item_ids, [None] * items)
    found, _ = vectors.top(np.ones(DIMENSIONS, np.float32), np.ones(items, bool), MOST)
    assert sorted(found.tolist()) == [*range(items)]


def test_only_where_there_are_many_items_is_there_more_than_one_cell() -> None:
    assert [cells_for(items) for items in (0, 1, 29_999, 100_000, 1_000_000)] == [1, 1, 1, 316, 1_000]

"""What every search for the items of highest score keeps to: asking all of them, and an index of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.rollback.shop import clustered
from recommender.serving.best import best
from recommender.serving.item_vectors import ItemVectors
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


def put_in_order(served: FakeModel) -> ItemVectors:
    vectors = ItemVectors(served)
    vectors.put_all(IDS, [None] * ITEMS)
    return vectors


def exact(vectors: ItemVectors) -> ItemVectors:
    return vectors


def indexed(vectors: ItemVectors) -> ItemVectors:
    put_into_service = vectors.begin_index()(lambda: False)
    assert put_into_service is not None
    put_into_service()
    return vectors


@pytest.fixture(params=[exact, indexed], ids=["exact", "indexed"])
def search(request: pytest.FixtureRequest) -> Callable[[ItemVectors], ItemVectors]:
    kind: Callable[[ItemVectors], ItemVectors] = request.param
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
        scores = np.where(eligible, vectors.scores(shopper, ITEMS), -np.inf)
        rows, found = vectors.top(shopper, eligible, MOST)
        assert len(set(rows.tolist())) == len(rows) == MOST
        assert eligible[rows].all()
        np.testing.assert_allclose(found, scores[rows], rtol=1e-5)
        assert (np.diff(found) <= 0).all()
        shares.append(len(np.intersect1d(rows, np.argsort(-scores)[:MOST])) / MOST)
    return float(np.mean(shares))


EVERYTHING = np.ones(ITEMS, bool)


def test_the_best_items_are_found_with_their_scores_the_best_first(search: Callable[..., ItemVectors]) -> None:
    assert recall(search(put_in_order(model())), EVERYTHING) > 0.97


def test_what_is_not_eligible_is_not_found_and_others_take_its_place(search: Callable[..., ItemVectors]) -> None:
    vectors = search(put_in_order(model()))
    for share in (0.9, 0.5, 0.1, 0.03):
        eligible = np.random.default_rng(1).random(ITEMS) < share
        assert recall(vectors, eligible) > 0.95


def test_where_fewer_are_eligible_all_of_them_are_found(search: Callable[..., ItemVectors]) -> None:
    vectors = search(put_in_order(model()))
    eligible = np.zeros(ITEMS, bool)
    eligible[[5, 7, 3_999]] = True
    rows, _ = vectors.top(shoppers(vectors)[0], eligible, MOST)
    assert sorted(rows.tolist()) == [5, 7, 3_999]
    assert len(vectors.top(shoppers(vectors)[0], np.zeros(ITEMS, bool), MOST)[0]) == 0


def test_an_item_is_found_as_soon_as_it_is_new_or_changed(search: Callable[..., ItemVectors]) -> None:
    served = model()
    vectors = search(put_in_order(served))
    shopper = shoppers(vectors)[0]
    worst = int(np.argmin(vectors.scores(shopper, ITEMS)))
    served.item_vectors[worst] = 10.0 * shopper
    vectors.put(worst, IDS[worst], None)
    served.item_vectors[17] = 20.0 * shopper
    vectors.put(ITEMS, IDS[17], None)

    rows, _ = vectors.top(shopper, np.ones(ITEMS + 1, bool), MOST)
    assert rows[:2].tolist() == [ITEMS, worst]


def test_items_that_the_model_cannot_score_are_not_found(search: Callable[..., ItemVectors]) -> None:
    vectors = search(put_in_order(model()))
    vectors.put(ITEMS, "unknown", None)
    rows, _ = vectors.top(shoppers(vectors)[0], np.ones(ITEMS + 1, bool), ITEMS + 1)
    assert sorted(rows.tolist()) == list(range(ITEMS))


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


def test_a_model_that_has_learned_on_uses_the_index_of_the_one_before() -> None:
    before = indexed(put_in_order(model()))
    learned_on = put_in_order(model(drift=0.05))
    learned_on.take_index_of(before)
    assert not learned_on.nearby.is_stale()
    assert recall(learned_on, EVERYTHING) > 0.9


def test_a_model_trained_anew_does_not() -> None:
    trained_anew = put_in_order(model(seed=1))
    trained_anew.take_index_of(indexed(put_in_order(model())))
    assert trained_anew.nearby.is_stale()
    assert recall(trained_anew, EVERYTHING) == 1.0


def test_an_index_that_is_given_up_changes_nothing() -> None:
    vectors = put_in_order(model())
    assert vectors.begin_index()(lambda: True) is None
    assert vectors.nearby.is_stale()

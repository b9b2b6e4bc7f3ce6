"""A LightFM that grows, and its batches trained on small models of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from lightfm import LightFM

from recommender.learning.embeddings import Floats, GrowingEmbeddings
from recommender.learning.growing import Diverged, Example, FitParameters, GrowingModel

SIZE = 8


def table(features: Sequence[str], seed: int = 0) -> GrowingEmbeddings:
    random = np.random.default_rng(seed)
    count = len(features)
    return GrowingEmbeddings(
        features,
        random.normal(size=(count, SIZE)).astype(np.float32),
        1 + random.random((count, SIZE)).astype(np.float32),
        random.normal(size=count).astype(np.float32),
        1 + random.random(count).astype(np.float32),
        np.random.default_rng(seed + 1),
    )


def small_shop(items: int = 30, seed: int = 0) -> GrowingModel:
    """Items that share a category with every third other one; shoppers known by recent items."""
    names = [f"i{number}" for number in range(items)]
    model = GrowingModel(
        table([f"recent={name}" for name in names], seed),
        table([f"item={name}" for name in names] + [f"category=c{number}" for number in range(3)], seed + 5),
        seed,
    )
    for number, name in enumerate(names):
        model.describe(name, {f"item={name}": 1.0, f"category=c{number % 3}": 0.7})
    return model


def score(model: GrowingModel, state: dict[str, float], item_id: str) -> float:
    vectors, biases = model.item_vectors()
    number = model.content.find(item_id)
    return float(shopper_vector(model, state) @ vectors[number] + biases[number])


def shopper_vector(model: GrowingModel, state: dict[str, float]) -> Floats:
    (vector,) = model.states([Example(state, "", 1.0)]) @ model.shoppers.embeddings
    return np.asarray(vector, np.float32)


def test_growth_keeps_every_row_and_new_rows_are_small_and_follow_from_the_seed() -> None:
    embeddings, same = table(["a", "b"]), table(["a", "b"])
    before = embeddings.embeddings.copy(), embeddings.gradients.copy()
    numbers = np.array([embeddings.number(f"new{number}") for number in range(5_000)])
    assert numbers.tolist() == list(range(2, 5_002))
    np.testing.assert_array_equal(embeddings.embeddings[:2], before[0])
    np.testing.assert_array_equal(embeddings.gradients[:2], before[1])
    assert not embeddings.embeddings[2:].any(), "what was never trained says nothing"
    embeddings.wake(numbers[:10])
    assert 0 < np.abs(embeddings.embeddings[2:12]).max() <= 0.5 / SIZE
    assert (embeddings.gradients[2:12] == 1).all()
    assert not embeddings.embeddings[12:].any()
    assert embeddings.trained()[0] == ["a", "b", *(f"new{number}" for number in range(10))]
    for number in range(5_000):
        same.number(f"new{number}")
    same.wake(numbers[:10])
    np.testing.assert_array_equal(embeddings.embeddings, same.embeddings)
    assert all(array.flags.c_contiguous and array.dtype == np.float32 for array in embeddings.gather(numbers))


def test_growth_copies_each_row_only_a_few_times() -> None:
    embeddings, moves, room = table(["a"]), 0, 0
    for number in range(20_000):
        embeddings.number(f"u{number}")
        if embeddings.nbytes != room:
            room, moves = embeddings.nbytes, moves + 1
    assert moves <= 7


def test_a_batch_on_the_small_model_is_what_lightfm_makes_of_the_whole() -> None:
    model, whole = small_shop(), small_shop()
    # What is recent is numbered by the first use of it in the batch, in LightFM's whole matrices by the table.
    examples = [
        Example({"recent=i3": 0.8, "recent=i5": 0.6}, "i6", 1.0, ["i3", "i5"]),
        Example({"recent=i9": 1.0}, "i12", 2.0, ["i9"]),
        Example({"recent=i0": 1.0}, "i1", 1.0),
    ]
    parameters = FitParameters(learning_rate=0.1, epochs=4, negatives=100)
    assert model.fit(examples, parameters) == 3
    fit_whole(whole, examples, parameters, seed=0)
    for small, large in ((model.shoppers, whole.shoppers), (model.items, whole.items)):
        np.testing.assert_allclose(small.embeddings, large.embeddings, rtol=0, atol=1e-6)
        np.testing.assert_allclose(small.gradients, large.gradients, rtol=1e-5)
    np.testing.assert_allclose(model.items.biases, whole.items.biases, rtol=0, atol=1e-6)
    assert not np.array_equal(model.items.embeddings, small_shop().items.embeddings)


def fit_whole(model: GrowingModel, examples: Sequence[Example], parameters: FitParameters, seed: int) -> None:
    """Let LightFM train on matrices of all features and items, with the same random numbers."""
    fitted: Any = LightFM(
        no_components=SIZE,
        loss="warp",
        learning_rate=parameters.learning_rate,
        max_sampled=parameters.max_sampled,
        random_state=np.random.RandomState(seed),
    )
    sides = (("user", model.shoppers), ("item", model.items))
    for side, side_table in sides:
        everything = side_table.gather(np.arange(len(side_table)))
        for part, array in zip(
            ("embeddings", "embedding_gradients", "biases", "bias_gradients"), everything, strict=True
        ):
            setattr(fitted, f"{side}_{part}", array)
        setattr(fitted, f"{side}_embedding_momentum", np.zeros_like(everything[0]))
        setattr(fitted, f"{side}_bias_momentum", np.zeros_like(everything[2]))
    rows, columns, values, weights = [], [], [], []
    for row, example in enumerate(examples):
        rows.append(row)
        columns.append(model.content.find(example.item_id))
        values.append(1.0)
        weights.append(example.weight)
    for row, example in enumerate(examples):
        for item_id in example.known:
            rows.append(row)
            columns.append(model.content.find(item_id))
            values.append(-1.0)
            weights.append(1.0)
    shape = len(examples), len(model.content)
    places = np.array(rows, np.int32), np.array(columns, np.int32)
    states = sp.lil_matrix((len(examples), len(model.shoppers)), dtype=np.float32)
    for row, example in enumerate(examples):
        for feature, weight in example.state.items():
            states[row, model.shoppers.number(feature)] = weight
    fitted.fit_partial(
        sp.coo_matrix((np.array(values, np.float32), places), shape=shape),
        user_features=states.tocsr(),
        item_features=model.content.matrix(np.arange(len(model.content)), len(model.items)),
        sample_weight=sp.coo_matrix((np.array(weights, np.float32), places), shape=shape),
        epochs=parameters.epochs,
    )
    for side, side_table in sides:
        parts = ("embeddings", "embedding_gradients", "biases", "bias_gradients")
        side_table.scatter(np.arange(len(side_table)), (getattr(fitted, f"{side}_{part}") for part in parts))


def test_a_batch_with_few_negatives_still_raises_its_items_and_touches_nothing_else() -> None:
    model = small_shop(items=600)
    before = model.items.embeddings.copy()
    state = {"recent=i3": 1.0}
    old = score(model, state, "i7")
    for _ in range(20):
        model.fit([Example(state, "i7", 1.0)], FitParameters(negatives=5))
    assert score(model, state, "i7") > old
    untouched = (model.items.embeddings == before).all(axis=1)
    assert untouched[:600].sum() > 400
    np.testing.assert_array_equal(model.shoppers.embeddings[4:], small_shop(items=600).shoppers.embeddings[4:])


def test_a_known_positive_is_never_trained_down() -> None:
    """Every item but one is known, and ranked above the target: LightFM would draw them all."""
    model = small_shop(items=12)
    known = [f"i{number}" for number in range(12) if number not in (4, 7)]
    before = model.items.embeddings.copy(), model.items.biases.copy()
    for _ in range(10):
        model.fit([Example({"recent=i3": 1.0}, "i7", 1.0, known)], FitParameters(epochs=5))
    own = [model.items.number(f"item={item_id}") for item_id in known]
    np.testing.assert_array_equal(model.items.embeddings[own], before[0][own])
    np.testing.assert_array_equal(model.items.biases[own], before[1][own])
    drawn = model.items.number("item=i4")
    assert not np.array_equal(model.items.embeddings[drawn], before[0][drawn])


def test_new_shoppers_and_items_get_rows_when_they_are_trained() -> None:
    model = small_shop()
    model.describe("lamp", {"item=lamp": 1.0, "brand=lux": 0.4})
    assert model.items.find("brand=lux") == -1
    assert not model.scored()[model.content.find("lamp")]
    state = {"user=ann": 0.5, "recent=i3": 1.0}
    for _ in range(40):
        model.fit([Example(state, "lamp", 1.0)], FitParameters())
    assert model.shoppers.find("user=ann") >= 0
    assert model.items.find("brand=lux") >= 0
    assert model.scored()[model.content.find("lamp")]
    model.describe("shade", {"item=shade": 1.0, "brand=lux": 0.4})
    assert model.scored()[model.content.find("shade")], "its brand is known"
    ranks = np.argsort(-(shopper_vector(model, state) @ model.item_vectors()[0].T + model.item_vectors()[1]))
    assert model.content.find("lamp") in ranks[:3]


def test_beyond_the_limit_no_features_are_added_and_the_rest_goes_on_learning() -> None:
    model = small_shop()
    limit = FitParameters(most_features=len(model.shoppers))
    model.describe("lamp", {"item=lamp": 1.0, "category=c0": 0.7})
    model.fit([Example({"user=ann": 0.5, "recent=i3": 1.0}, "i7", 1.0)], limit)
    assert model.shoppers.find("user=ann") == -1
    assert not np.array_equal(model.items.embeddings, small_shop().items.embeddings[: len(model.items)])


def test_an_item_described_anew_has_its_latest_words_alone() -> None:
    model = small_shop(items=3)
    for words in range(5_000):
        model.describe("i1", {"item=i1": 1.0, f"title=word{words}": 0.5})
    matrix = model.content.matrix(np.arange(3), len(model.items))
    assert matrix[1].nnz == 2
    assert matrix[1].indices.tolist() == [model.items.number("item=i1"), model.items.number("title=word4999")]
    assert matrix[0].indices.tolist() == [model.items.number("item=i0"), model.items.number("category=c0")]


def test_what_diverges_changes_nothing() -> None:
    model = small_shop()
    before = model.items.embeddings.copy()
    with pytest.raises(Diverged, match="learning: "):
        model.fit([Example({"recent=i3": float("inf")}, "i7", 1.0)], FitParameters())
    np.testing.assert_array_equal(model.items.embeddings, before)


def test_an_item_that_nobody_has_described_is_left_out() -> None:
    assert small_shop().fit([Example({"recent=i3": 1.0}, "nowhere", 1.0)], FitParameters()) == 0

"""What every servable model keeps to, whether it was just trained or read back from its files."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.features import SessionFeatures
from recommender.features.shopper import Shopper
from recommender.model.artifact import Model
from recommender.model.description import Description, describe_item, describe_shopper
from recommender.model.links import Links
from recommender.model.registry import ModelRegistry
from recommender.model.visits import Visits
from recommender.serving.matrix import FEATURES
from recommender.training.history_source import HistorySource
from recommender.training.parameters import TrainingParameters
from recommender.training.version import train_version
from tests.histories import CATEGORIES, KINDS, described, plain_batches, two_taste_history

PARAMETERS = TrainingParameters(embedding_size=16, threads=1, ranker_questions=300, test_examples=300)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("two tastes")
    two_taste_history(folder / "history")
    registry = ModelRegistry(folder / "models")
    source = HistorySource(folder / "history", plain_batches(folder / "history"))
    trained = train_version(source, registry, PARAMETERS, lambda *_: None)
    loaded = registry.load_current()
    assert loaded is not None
    return {"trained": trained.model, "loaded": loaded}


@pytest.fixture(params=["trained", "loaded"])
def model(request: pytest.FixtureRequest, models: dict[str, Model]) -> Model:
    return models[request.param]


def visit(*items: str) -> Description:
    """An anonymous visit, the latest item first."""
    times = [1_000 - place for place in range(len(items))]
    categories = [CATEGORIES[item.partition("-")[0]] for item in items]
    row = SessionFeatures("s", 1, "", 0, 0.0, 1, 1, 1, list(items), times, categories, [], [], "", "")
    return describe_shopper(Shopper(None, [row]), now_us=0)


def best(model: Model, description: Description, n: int) -> list[str]:
    vector, _ = model.user_vector(description)
    scores = model.item_vectors @ vector + model.item_biases
    return [model.item_ids[row] for row in np.argsort(-scores)[:n]]


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def content(item_id: str, kind: str) -> Description:
    row = described(item_id, kind)
    return describe_item(item_id, row.category, row.brand, row.price_cents, row.title, row.tags)


def test_arrays_have_one_finite_row_for_each_name(model: Model) -> None:
    for rows, names in (
        (model.item_vectors, model.item_ids),
        (model.item_biases, model.item_ids),
        (model.shopper_embeddings, model.shopper_features),
        (model.item_embeddings, model.item_features),
    ):
        assert rows.dtype == np.float32
        assert len(rows) == len(names) == len(set(names))
        assert np.isfinite(rows).all()


def test_a_shopper_of_one_taste_gets_items_of_that_taste(model: Model) -> None:
    for kind in KINDS:
        assert {item.partition("-")[0] for item in best(model, visit(f"{kind}-1", f"{kind}-2"), 8)} == {kind}


def test_a_click_on_another_category_changes_what_comes_first_and_a_second_one_turns_it(model: Model) -> None:
    def lamps(*items: str) -> int:
        return sum(item.startswith("lamp") for item in best(model, visit(*items), 5))

    assert lamps("shoe-1", "shoe-2", "shoe-3") == 0
    assert lamps("lamp-1", "shoe-1", "shoe-2", "shoe-3") >= 1
    assert lamps("lamp-2", "lamp-1", "shoe-1", "shoe-2", "shoe-3") >= 4


def test_the_vector_is_linear_in_the_description(model: Model) -> None:
    one, other = visit("shoe-1"), visit("lamp-2", "lamp-3")
    summed = {name: 2 * one.get(name, 0.0) + 3 * other.get(name, 0.0) for name in {**one, **other}}
    expected = 2 * model.user_vector(one)[0] + 3 * model.user_vector(other)[0]
    np.testing.assert_allclose(model.user_vector(summed)[0], expected, rtol=1e-4, atol=1e-5)


def test_unknown_features_are_ignored(model: Model) -> None:
    known = visit("shoe-1")
    vector, is_known = model.user_vector(known | {"recent=never seen": 5.0, "user=nobody": 1.0})
    np.testing.assert_allclose(vector, model.user_vector(known)[0], rtol=1e-5)
    assert is_known


@pytest.mark.parametrize("description", [{}, {"recent=never seen": 1.0}, {"hour=13": 0.1}])
def test_a_shopper_of_whom_nothing_is_known_but_the_hour_is_unknown(model: Model, description: Description) -> None:
    vector, known = model.user_vector(description)
    assert not known
    assert vector.shape == (model.item_vectors.shape[1],)
    assert np.isfinite(vector).all()


def test_an_item_of_the_catalogue_that_nobody_has_seen_is_scored_by_its_content(model: Model) -> None:
    assert "shoe-10" not in model.item_ids
    unseen, _, known = model.item_vector(content("shoe-10", "shoe"))
    shoe, lamp = (model.item_vectors[model.item_ids.index(item)] for item in ("shoe-1", "lamp-1"))
    assert known
    assert cosine(unseen, shoe) > cosine(unseen, lamp)


def test_a_new_item_lies_near_the_items_of_its_category(model: Model) -> None:
    for kind, other in (KINDS, KINDS[::-1]):
        vector, bias, known = model.item_vector(content("brand new", kind))
        assert known
        assert np.isfinite(bias)
        own = [model.item_vectors[model.item_ids.index(f"{kind}-{number}")] for number in range(10)]
        others = [model.item_vectors[model.item_ids.index(f"{other}-{number}")] for number in range(10)]
        assert min(cosine(vector, item) for item in own) > max(cosine(vector, item) for item in others)


def test_a_known_item_has_the_vector_and_the_bias_of_its_description(model: Model) -> None:
    row = model.item_ids.index("lamp-4")
    vector, bias, known = model.item_vector(content("lamp-4", "lamp"))
    assert known
    np.testing.assert_allclose(vector, model.item_vectors[row], rtol=1e-4, atol=1e-5)
    assert bias == pytest.approx(float(model.item_biases[row]), rel=1e-4, abs=1e-5)


def test_an_item_of_which_nothing_is_known_has_no_vector(model: Model) -> None:
    vector, bias, known = model.item_vector(describe_item("brand new", "Nowhere", "", -1, "", []))
    assert (vector.tolist(), bias, known) == ([0.0] * model.item_vectors.shape[1], 0.0, False)


@pytest.mark.parametrize("part", ["followers", "history_followers", "linear"])
def test_links_lead_to_items_of_the_same_taste_and_not_to_the_item_itself(model: Model, part: str) -> None:
    links: Links = getattr(model.parts, part)
    assert len(links.starts) == len(model.item_ids) + 1
    for number, item_id in enumerate(model.item_ids):
        found, weights = links.of(number)
        kinds = {model.item_ids[other].partition("-")[0] for other in found}
        assert kinds == {item_id.partition("-")[0]}
        assert number not in found
        assert (weights > 0).all()


@pytest.mark.parametrize("part", ["visits", "histories"])
def test_the_visits_most_like_one_hold_items_of_the_same_taste(model: Model, part: str) -> None:
    index: Visits = getattr(model.parts, part)
    for kind in KINDS:
        found, scores = index.alike(np.array([model.item_ids.index(f"{kind}-3")]), np.ones(1))
        assert {model.item_ids[other] for other in found} == {f"{kind}-{number}" for number in range(10)}
        assert (scores > 0).all()


def test_the_ranker_scores_what_serving_asks_it(model: Model) -> None:
    assert model.parts.ranker is not None
    assert model.parts.ranker.features == FEATURES
    scores = model.parts.ranker.scores(np.full((3, len(FEATURES)), np.nan, np.float32))
    assert np.isfinite(scores).all()
    assert len(set(scores.tolist())) == 1

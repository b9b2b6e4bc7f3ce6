"""Trees asked at once score as LightGBM does."""

from __future__ import annotations

from functools import cache
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.model.trees import Trees, UnsuitableTrees

FEATURES = 6
_VALUES = st.one_of(
    st.just(float("nan")), st.sampled_from([0.0, -0.0, 1e-40, float("inf"), -float("inf")]), st.floats(-3, 3, width=32)
)


@cache
def fitted(kind: str, rounds: int = 40, leaves: int = 15) -> Any:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(2_000, FEATURES)).astype(np.float32).round(1)
    if kind == "some missing":
        values[rng.random(values.shape) < 0.3] = np.nan
    right = np.nan_to_num(values[:, 0]) * np.nan_to_num(values[:, 1]) + rng.normal(size=2_000) > np.isnan(values[:, 2])
    parameters = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(values, label=right, params=parameters), rounds)


def expected(fits: list[Any], candidates: Any) -> Any:
    return sum(fit.predict(candidates, raw_score=True, num_threads=1) for fit in fits)


@pytest.mark.parametrize("kind", ["some missing", "none missing"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_each_candidate_has_the_sum_that_lightgbm_gives_it(kind: str, data: st.DataObject) -> None:
    fit = fitted(kind)
    rows = data.draw(st.lists(st.lists(_VALUES, min_size=FEATURES, max_size=FEATURES), min_size=1, max_size=30))
    candidates = np.array(rows, np.float32)
    for column in data.draw(st.sets(st.integers(0, FEATURES - 1))):
        candidates[:, column] = candidates[0, column]  # as of what all have in common
    found = Trees([fit.model_to_string()]).sums(candidates)
    np.testing.assert_allclose(found, expected([fit], candidates), rtol=1e-12, atol=1e-12)


def test_values_at_the_thresholds_themselves_go_the_same_way() -> None:
    fit = fitted("some missing")
    thresholds = [
        float(number)
        for line in fit.model_to_string().splitlines()
        if line.startswith("threshold=")
        for number in line.partition("=")[2].split()
    ]
    at = np.array(thresholds, np.float32)
    around = np.concatenate(
        [np.nextafter(at, -np.inf, dtype=np.float32), at, np.nextafter(at, np.inf, dtype=np.float32)]
    )
    candidates = np.repeat(around[:, None], FEATURES, axis=1)
    found = Trees([fit.model_to_string()]).sums(candidates)
    np.testing.assert_allclose(found, expected([fit], candidates), rtol=1e-12, atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_infinite_values_are_told_apart_as_lightgbm_does() -> None:
    values = np.random.default_rng(3).normal(size=(2_000, 1)).astype(np.float32)
    values[::3], values[1::3] = -np.inf, np.inf  # a price of 0, as a share of another
    parameters = {"num_leaves": 8, "verbosity": -1, "num_threads": 1}
    fit = lightgbm.train(parameters, lightgbm.Dataset(values, label=values[:, 0].clip(-9, 9), params=parameters), 3)
    text = fit.model_to_string()
    assert "e+308" in text
    largest = np.finfo(np.float32).max
    candidates = np.array([[-np.inf], [-largest], [0.0], [largest], [np.inf]], np.float32)
    np.testing.assert_allclose(Trees([text]).sums(candidates), expected([fit], candidates), rtol=1e-12, atol=1e-12)


def test_the_trees_of_several_fits_are_added_up() -> None:
    fits = [fitted("some missing"), fitted("none missing", 7), fitted("some missing", 1)]
    candidates = np.random.default_rng(1).normal(size=(50, FEATURES)).astype(np.float32)
    found = Trees([fit.model_to_string() for fit in fits]).sums(candidates)
    np.testing.assert_allclose(found, expected(fits, candidates), rtol=1e-12, atol=1e-12)


def test_trees_that_have_learned_nothing_have_one_leaf() -> None:
    parameters = {"objective": "binary", "verbosity": -1, "min_data_in_leaf": 1_000}
    data = lightgbm.Dataset(np.ones((100, 2)), label=np.arange(100) % 4 == 0, params=parameters)
    fit = lightgbm.train(parameters, data, 3)
    candidates = np.zeros((4, 2), np.float32)
    found = Trees([fit.model_to_string()]).sums(candidates)
    np.testing.assert_allclose(found, expected([fit], candidates), rtol=1e-12)


def test_trees_with_many_leaves_are_left_to_lightgbm() -> None:
    with pytest.raises(UnsuitableTrees):
        Trees([fitted("some missing", leaves=40).model_to_string()])


@pytest.mark.parametrize("options", [{"zero_as_missing": True}, {"linear_tree": True}])
def test_trees_of_another_kind_are_left_to_lightgbm(options: dict[str, bool]) -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(500, 2)).round(0)
    parameters = {"objective": "regression", "verbosity": -1, "num_leaves": 4} | options
    fit = lightgbm.train(parameters, lightgbm.Dataset(values, label=values[:, 0], params=parameters), 3)
    with pytest.raises(UnsuitableTrees):
        Trees([fit.model_to_string()])


def test_conditions_on_categories_are_left_to_lightgbm() -> None:
    rng = np.random.default_rng(2)
    values = rng.integers(8, size=(500, 1)).astype(float)
    parameters = {"objective": "regression", "verbosity": -1, "num_leaves": 4, "min_data_per_group": 1}
    data = lightgbm.Dataset(values, label=values[:, 0] % 3, params=parameters, categorical_feature=[0])
    with pytest.raises(UnsuitableTrees):
        Trees([lightgbm.train(parameters, data, 3).model_to_string()])

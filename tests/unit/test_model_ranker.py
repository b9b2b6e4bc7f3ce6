"""Trees as text: what they learn, and which texts are refused."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from recommender.model.ranker import BadRanker, Ranker, fit_ranker

NAMES = ("noise", "share", "rank", "spare")


def candidates(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Candidates of which the second column tells, mostly, which ones are right; some of its values are unknown."""
    draw = np.random.default_rng(seed)
    values = draw.random((count, len(NAMES))).astype(np.float32)
    right = (values[:, 1] + 0.2 * draw.random(count) > 0.8).astype(np.float32)
    values[draw.random(count) < 0.1, 1] = np.nan
    return values, right


def fitted(folds: int) -> Ranker:
    return fit_ranker(NAMES, [candidates(100, seed) for seed in range(40)], folds, seed=1, threads=1)


@pytest.fixture(scope="module", params=[1, 5], ids=["one fit", "five folds"])
def ranker(request: pytest.FixtureRequest) -> Ranker:
    return fitted(request.param)


def test_what_tells_right_from_wrong_is_learned(ranker: Ranker) -> None:
    values, right = candidates(500, 3)
    scores = ranker.scores(values)
    known = ~np.isnan(values[:, 1])
    assert scores[known & (right == 1)].mean() > scores[known & (right == 0)].mean() + 0.5
    gains = ranker.gains()
    assert max(gains, key=lambda name: gains[name]) == "share"
    assert sum(gains.values()) == pytest.approx(1.0)


def test_a_ranker_is_the_same_after_it_was_written_and_read(ranker: Ranker) -> None:
    again = Ranker(ranker.text)
    values, _ = candidates(200, 4)
    assert again.text == ranker.text
    assert again.features == ranker.features == NAMES
    np.testing.assert_array_equal(again.scores(values), ranker.scores(values))
    assert again.gains() == ranker.gains()


def test_fitting_with_one_thread_gives_the_same_trees_each_time(ranker: Ranker) -> None:
    assert ranker.text in (fitted(1).text, fitted(5).text)


def test_folds_score_by_the_mean_of_their_log_odds() -> None:
    whole = fitted(5)
    parts = [Ranker("fits=1\ntree\nversion" + text) for text in whole.text.split("tree\nversion")[1:]]
    values, _ = candidates(200, 4)
    assert len(parts) == 5
    assert len({part.text for part in parts}) == 5
    log_odds = np.mean([scipy.special.logit(part.scores(values)) for part in parts], axis=0)
    np.testing.assert_allclose(whole.scores(values), scipy.special.expit(log_odds), rtol=1e-6)


def test_fits_of_other_features_than_the_first_are_refused() -> None:
    one = fitted(1).text.removeprefix("fits=1\n")
    with pytest.raises(BadRanker, match="of the same features in all its fits"):
        Ranker("fits=2\n" + one + one.replace("feature_names=noise share", "feature_names=share noise"))


def test_other_fits_than_those_named_at_the_beginning_are_refused() -> None:
    text = fitted(5).text
    one = fitted(1).text.removeprefix("fits=1\n")
    last = text.rindex("tree\nversion")
    for wrong in (text[:last], text + one, text.replace("fits=5", "fits=4", 1), text.removeprefix("fits=5\n")):
        with pytest.raises(BadRanker, match="must be whole, as many fits as it names at its beginning"):
            Ranker(wrong)


@pytest.mark.parametrize(
    "text",
    ["", " ", "these are no trees", "tree\nversion=v4\n", '{"trees": []}', "fits=0\n"],
    ids=["empty", "blank", "words", "head", "json", "no fit"],
)
def test_a_text_that_is_no_ranker_is_refused(text: str) -> None:
    for form in (text, f"fits=1\n{text}", f"fits=1\ntree\n{text}\npandas_categorical:null\n"):
        with pytest.raises(BadRanker, match=r"^ranker: must be (trees as LightGBM writes them|whole)"):
            Ranker(form)


def test_a_text_that_breaks_off_is_refused_and_the_process_goes_on(ranker: Ranker) -> None:
    """LightGBM ends the process over some of them: those that break off behind the last tree of a fit."""
    for length in range(0, len(ranker.text), 997):
        with pytest.raises(BadRanker):
            Ranker(ranker.text[:length])


def test_a_text_without_its_last_trees_is_refused() -> None:
    text = fitted(1).text
    with pytest.raises(BadRanker, match="must hold all the trees that it names the sizes of"):
        Ranker(text[: text.index("Tree=3")] + "end of trees\n\npandas_categorical:null\n")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("feature_names=noise share", "feature_names=share"),
        ("leaf_value=", "leaf_worth="),
        ("Tree=1\n", "Three=1\n"),
    ],
)
def test_a_text_with_a_damaged_line_is_refused(ranker: Ranker, old: str, new: str) -> None:
    assert old in ranker.text
    with pytest.raises(BadRanker):
        Ranker(ranker.text.replace(old, new, 1))


def test_what_the_features_add_to_the_base_is_the_score(ranker: Ranker) -> None:
    values, _ = candidates(200, 4)
    parts, base = ranker.contributions(values)
    assert parts.shape == values.shape
    np.testing.assert_allclose(scipy.special.expit(base + parts.sum(axis=1)), ranker.scores(values), atol=1e-9)

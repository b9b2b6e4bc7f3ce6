"""The figures, against values worked out by hand."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from recommender.evaluation import metrics
from recommender.evaluation.bootstrap import Bootstrap, interval

HITS = np.array(
    [
        [True, False, False, False],
        [False, False, True, True],
        [False, False, False, False],
    ]
)
TARGETS = np.array([1, 4, 2])


def test_precision_is_the_share_of_places_that_are_right() -> None:
    assert metrics.precision(HITS, 2).tolist() == [0.5, 0.0, 0.0]
    assert metrics.precision(HITS, 4).tolist() == [0.25, 0.5, 0.0]


def test_recall_is_the_share_of_right_answers_found() -> None:
    assert metrics.recall(HITS, TARGETS, 4).tolist() == [1.0, 0.5, 0.0]
    assert metrics.recall(HITS, TARGETS, 3).tolist() == [1.0, 0.25, 0.0]


def test_the_hit_rate_asks_for_any_right_answer() -> None:
    assert metrics.hit_rate(HITS, 2).tolist() == [1.0, 0.0, 0.0]
    assert metrics.hit_rate(HITS, 3).tolist() == [1.0, 1.0, 0.0]


def test_the_reciprocal_rank_is_that_of_the_first_right_answer_within_k() -> None:
    assert metrics.reciprocal_rank(HITS, 4).tolist() == [1.0, pytest.approx(1 / 3), 0.0]
    assert metrics.reciprocal_rank(HITS, 2).tolist() == [1.0, 0.0, 0.0]


def test_ndcg_compares_with_the_best_list_possible() -> None:
    best_of_four = 1 + 1 / log2(3) + 1 / log2(4) + 1 / log2(5)
    gained = 1 / log2(4) + 1 / log2(5)
    assert metrics.ndcg(HITS, TARGETS, 4).tolist() == pytest.approx([1.0, gained / best_of_four, 0.0])
    best_of_two = 1 + 1 / log2(3)
    assert metrics.ndcg(HITS[:, ::-1], TARGETS, 2).tolist() == pytest.approx([0.0, best_of_two / best_of_two, 0.0])


def test_auc_is_the_chance_that_a_right_item_scores_above_a_wrong_one() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.1], np.float32)
    assert metrics.auc(scores, np.array([True, False, False, False])) == 1.0
    assert metrics.auc(scores, np.array([False, False, False, True])) == 0.0
    assert metrics.auc(scores, np.array([False, True, False, False])) == pytest.approx((0 + 0.5 + 1) / 3)
    assert np.isnan(metrics.auc(scores, np.zeros(4, np.bool_)))


def test_coverage_novelty_and_gini() -> None:
    exposures, popularity = np.array([3, 1, 0, 0]), np.array([4, 2, 2, 0])
    assert metrics.coverage(exposures) == 0.5
    assert metrics.novelty(exposures, popularity) == pytest.approx((3 * 1.0 + 1 * 2.0) / 4)
    assert metrics.gini(exposures) == pytest.approx((-3 * 0 + -1 * 0 + 1 * 1 + 3 * 3) / (4 * 4))
    assert metrics.gini(np.array([2, 2, 2])) == 0.0
    assert metrics.gini(np.zeros(3, np.int64)) == metrics.novelty(np.zeros(3, np.int64), np.ones(3, np.int64)) == 0.0


def test_an_interval_holds_the_mean_and_is_that_of_the_normal_law_where_trials_are_many_and_alone() -> None:
    figures = (np.random.default_rng(3).random(4_000) < 0.3).astype(np.float64)
    found = interval(figures, Bootstrap(np.arange(4_000), seed=1).means(figures[:, None])[:, 0])
    assert found.mean == figures.mean()
    half = 1.96 * (0.3 * 0.7 / 4_000) ** 0.5
    assert found.mean - found.low == pytest.approx(half, rel=0.15)
    assert found.high - found.mean == pytest.approx(half, rel=0.15)


def test_clusters_are_drawn_whole_so_repeating_each_trial_makes_no_interval_narrower() -> None:
    figures = (np.random.default_rng(3).random(500) < 0.3).astype(np.float64)
    once = interval(figures, Bootstrap(np.arange(500)).means(figures[:, None])[:, 0])
    nine_times = np.repeat(figures, 9)
    repeated = interval(nine_times, Bootstrap(np.repeat(np.arange(500), 9)).means(nine_times[:, None])[:, 0])
    assert repeated == pytest.approx(once)


def test_the_same_draws_serve_all_figures_so_that_differences_are_paired() -> None:
    figures = np.random.default_rng(3).random((300, 1))
    better = figures + 0.01
    bootstrap = Bootstrap(np.arange(300) // 3)
    assert (bootstrap.means(better) - bootstrap.means(figures)).ravel() == pytest.approx(0.01)


def test_trials_without_a_figure_do_not_count() -> None:
    figures = np.array([1.0, np.nan, 1.0, np.nan])
    found = interval(figures, Bootstrap(np.arange(4)).means(figures[:, None])[:, 0])
    assert found == (1.0, 1.0, 1.0)
    nothing = np.full(4, np.nan)
    assert np.isnan(interval(nothing, Bootstrap(np.arange(4)).means(nothing[:, None])[:, 0])).all()

import numpy as np
import pytest

from recommender.training.evaluation import hit_rate, mean_reciprocal_rank, metrics, ndcg, ranks_by_vectors

RANKS = np.array([0.0, 1.0, 9.0, 10.0, 19.0, 20.0, np.inf])


def test_hit_rate_counts_targets_among_the_first_k() -> None:
    assert hit_rate(RANKS, 10) == pytest.approx(3 / 7)
    assert hit_rate(RANKS, 20) == pytest.approx(5 / 7)


def test_reciprocal_rank_is_one_for_the_first_place_and_zero_behind_k() -> None:
    assert mean_reciprocal_rank(np.array([0.0, 3.0, 20.0]), 20) == pytest.approx((1 + 1 / 4) / 3)


def test_ndcg_of_one_target_falls_with_the_logarithm_of_its_place() -> None:
    assert ndcg(np.array([0.0, 2.0, np.inf]), 20) == pytest.approx((1 + 1 / 2) / 3)


def test_no_examples_give_zero() -> None:
    assert set(metrics(np.empty(0)).values()) == {0.0}


def test_among_equal_scores_the_target_has_the_worst_place() -> None:
    items = np.zeros((4, 2), np.float32)
    ranks = ranks_by_vectors(np.ones((1, 2), np.float32), items, np.zeros(4, np.float32), np.array([0], np.int32))
    assert ranks.tolist() == [3.0]


def test_ranks_go_by_product_plus_bias() -> None:
    items = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    shoppers = np.array([[1, 0], [0, 1], [0, 0]], np.float32)
    biases = np.array([0, 0, 0.5], np.float32)
    targets = np.array([0, 0, 2], np.int32)
    assert ranks_by_vectors(shoppers, items, biases, targets).tolist() == [0.0, 2.0, 0.0]

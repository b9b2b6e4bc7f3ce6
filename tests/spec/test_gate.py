"""The quality gate: figures in, verdict and sentence out."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.training.gate import LEAST_SHARED, LEAST_TESTED, Asked, Figures, judge

FIGURES = Figures({"ndcg@20": 0.200, "mrr@20": 0.100, "hit_rate@10": 0.3}, tested=1_000)


def scaled(factor: float) -> Figures:
    return Figures({name: factor * figure for name, figure in FIGURES.metrics.items()}, FIGURES.tested)


def places(hits: int, examples: int = 1_000, at: int = 0) -> np.ndarray:
    """Ranks of which the first ``hits`` are good, and the others none."""
    ranks = np.full(examples, np.inf)
    ranks[:hits] = at
    return ranks


def test_the_first_version_becomes_current() -> None:
    assert judge(scaled(0.1), None) == (True, "there was no version before it")


def test_a_version_before_that_was_hardly_tested_bars_no_other() -> None:
    for few in (0, LEAST_TESTED - 1):
        expected = f"the version before it was tested on {few} questions, too few to compare"
        assert judge(scaled(0.1), Figures(scaled(1.0).metrics, few)) == (True, expected)


def test_a_version_that_was_hardly_tested_does_not_take_the_place_of_one_that_was() -> None:
    for few in (0, LEAST_TESTED - 1):
        verdict = judge(Figures(scaled(10.0).metrics, few), FIGURES)
        assert not verdict.activate
        assert verdict.reason.startswith(
            f"it was tested on {few} questions, too few to compare with the version before"
        )
    assert judge(Figures(scaled(10.0).metrics, LEAST_TESTED), FIGURES).activate


@pytest.mark.parametrize(
    ("factor", "margin", "expected"), [(1.2, 0.05, True), (0.951, 0.05, True), (0.949, 0.05, False)]
)
def test_manifest_figures_decide_where_no_examples_are_shared(factor: float, margin: float, expected: bool) -> None:
    assert judge(scaled(factor), FIGURES, margin=margin).activate is expected


@pytest.mark.parametrize("worse", ["ndcg@20", "mrr@20"])
def test_one_figure_that_is_worse_is_enough(worse: str) -> None:
    verdict = judge(Figures(FIGURES.metrics | {worse: 0.01}, 100), FIGURES)
    told = f"{worse} 0.0100 against {FIGURES.metrics[worse]:.4f}, each on the test part of its own training"
    assert verdict == (False, f"{told}, a loss beyond the margin of 5%")


def test_a_figure_that_is_not_compared_may_be_worse() -> None:
    assert judge(Figures(FIGURES.metrics | {"hit_rate@10": 0.0}, 100), FIGURES).activate


def test_a_margin_of_one_lets_everything_pass() -> None:
    assert judge(scaled(0.0), FIGURES, margin=1.0).activate


def test_shared_examples_decide_and_manifest_figures_do_not() -> None:
    better, worse = Asked(places(300), places(200)), Asked(places(200), places(300))
    assert judge(scaled(0.1), FIGURES, better) == (
        True,
        "ndcg@20 0.3000 against 0.2000; mrr@20 0.3000 against 0.2000 on the 1000 newest examples",
    )
    assert judge(scaled(10), FIGURES, worse) == (
        False,
        "ndcg@20 0.2000 against 0.3000 on the 1000 newest examples, a loss beyond chance and the margin of 5%",
    )


def test_too_few_shared_examples_do_not_decide() -> None:
    few = LEAST_SHARED - 1
    asked = Asked(places(0, few), places(few, few))
    assert judge(FIGURES, FIGURES, asked).activate
    assert not judge(FIGURES, FIGURES, Asked(places(0, few + 1), places(few + 1, few + 1))).activate


def test_a_loss_that_may_be_chance_does_not_count() -> None:
    candidate, current = places(0, 300), places(0, 300)
    candidate[:20], current[18:40] = 0, 0
    verdict = judge(FIGURES, FIGURES, Asked(candidate, current))
    assert verdict.activate
    assert verdict.reason == (
        "ndcg@20 0.0667 against 0.0733, which may be chance; mrr@20 0.0667 against 0.0733, which may be chance "
        "on the 300 newest examples"
    )


def test_a_small_loss_beyond_chance_but_within_the_margin_does_not_count() -> None:
    assert judge(FIGURES, FIGURES, Asked(places(970, 1_000), places(1_000, 1_000))).activate
    assert not judge(FIGURES, FIGURES, Asked(places(940, 1_000), places(1_000, 1_000))).activate


def test_the_mean_reciprocal_rank_alone_may_be_worse() -> None:
    asked = Asked(places(1_000, 1_000, at=5), np.where(np.arange(1_000) < 360, 0.0, np.inf))
    assert judge(FIGURES, FIGURES, asked).reason.startswith("mrr@20 0.1667 against 0.3600")


def test_the_verdict_is_the_same_each_time() -> None:
    asked = Asked(places(180, 2_000), places(200, 2_000))
    assert len({judge(FIGURES, FIGURES, asked) for _ in range(3)}) == 1

"""Figures from the places of right answers in ranked lists, for many trials at once.

A trial is a list of K recommendations and the number of its right answers; ``hits[trial, place]`` says whether the
item at that place is one. Each function returns one figure for each trial; a metric is their mean.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Hits = npt.NDArray[np.bool_]
"""bool [n_trials, K], places best first; False where the list is shorter."""
_FEW = 8
"""Right answers that are compared with each score, rather than looked up among sorted ones."""
Counts = npt.NDArray[np.int64]
Figures = npt.NDArray[np.float64]
"""float64 [n_trials]"""


def precision(hits: Hits, k: int) -> Figures:
    """Return the share of the first ``k`` places that are right; a list that is shorter has wrong ones at its end."""
    return np.asarray(hits[:, :k].sum(axis=1) / k, dtype=np.float64)


def recall(hits: Hits, target_counts: Counts, k: int) -> Figures:
    """Return the share of the right answers that are among the first ``k``."""
    return np.asarray(hits[:, :k].sum(axis=1) / target_counts, dtype=np.float64)


def hit_rate(hits: Hits, k: int) -> Figures:
    """Return 1 where any right answer is among the first ``k``, else 0."""
    return np.asarray(hits[:, :k].any(axis=1), dtype=np.float64)


def reciprocal_rank(hits: Hits, k: int) -> Figures:
    """Return 1 / place (from 1) of the first right answer, 0 where it is not among the first ``k``.

    Source: Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999.
    """
    first = hits[:, :k].argmax(axis=1)
    return np.asarray(np.where(hits[:, :k].any(axis=1), 1.0 / (first + 1.0), 0.0), dtype=np.float64)


def ndcg(hits: Hits, target_counts: Counts, k: int) -> Figures:
    """Return the discounted gain of the right answers among the first ``k``, over that of the best list possible.

    Source: Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002, with gains of 1.
    """
    discounts = 1.0 / np.log2(np.arange(k) + 2.0)
    best = np.concatenate([[0.0], discounts.cumsum()])[np.minimum(target_counts, k)]
    return np.asarray(hits[:, :k] @ discounts[: hits[:, :k].shape[1]] / best, dtype=np.float64)


def trial_figures(hits: Hits, target_counts: Counts, ks: list[int]) -> dict[str, Figures]:
    """Return all of them, named ``metric@k``."""
    figures: dict[str, Figures] = {}
    for k in ks:
        figures[f"hit_rate@{k}"] = hit_rate(hits, k)
        figures[f"mrr@{k}"] = reciprocal_rank(hits, k)
        figures[f"ndcg@{k}"] = ndcg(hits, target_counts, k)
        figures[f"precision@{k}"] = precision(hits, k)
        figures[f"recall@{k}"] = recall(hits, target_counts, k)
    return figures


def auc(scores: npt.NDArray[np.float32], is_target: npt.NDArray[np.bool_]) -> float:
    """Return the chance that a right item scores above a wrong one, where equal scores count half.

    Source: Mann and Whitney 1947; what `lightfm.evaluation.auc_score` counts, but for equal scores.
    """
    targets, others = int(is_target.sum()), int((~is_target).sum())
    if not targets or not others:
        return float("nan")
    if targets <= _FEW:
        rest = scores[~is_target]
        above = sum(float((rest < own).mean() + (rest <= own).mean()) for own in scores[is_target])
        return above / 2 / targets
    ordered = np.sort(scores[~is_target])
    below = np.searchsorted(ordered, scores[is_target], "left").sum()
    not_above = np.searchsorted(ordered, scores[is_target], "right").sum()
    return float((below + not_above) / 2 / (targets * others))


def coverage(exposures: Counts) -> float:
    """Return the share of the catalogue's items that are recommended at all.

    Args:
        exposures: int64 [n_items], how often each was.
    """
    return float((exposures > 0).mean()) if len(exposures) else 0.0


def novelty(exposures: Counts, popularity: Counts) -> float:
    """Return the mean self-information of what is recommended [bits]: how rare it is.

    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010; the chance
    of an item is its share of TRAIN's events of interest, where one without any counts as having one.

    Args:
        exposures: int64 [n_items], how often each was recommended.
        popularity: int64 [n_items], events about each.
    """
    total = exposures.sum()
    if not total:
        return 0.0
    chances = np.maximum(popularity, 1) / max(1, popularity.sum())
    return float((exposures * -np.log2(chances)).sum() / total)


def gini(exposures: Counts) -> float:
    """Return how unevenly recommendations fall on the items: 0 for evenly, near 1 for all on one.

    Source: Gini 1912, as in Fleder and Hosanagar, "Blockbuster Culture's Next Rise or Fall", Management Science 2009.
    """
    total, count = exposures.sum(), len(exposures)
    if not total:
        return 0.0
    ordered = np.sort(exposures)
    return float(((2 * np.arange(1, count + 1) - count - 1) * ordered).sum() / (count * total))

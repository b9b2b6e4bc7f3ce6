"""How well items are ranked: the place of the item that came next, and figures from many such places."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ranks = npt.NDArray[np.float64]
"""0-based place of the target among all items, the worst one among equals; infinite where it is not ranked at all."""

_CHUNK = 8_000_000
"""Scores held at a time."""


def ranks_by_vectors(shoppers: Floats, items: Floats, biases: Floats, targets: npt.NDArray[np.int32]) -> Ranks:
    """Rank all items by their score for each shopper.

    Args:
        shoppers: float32 [n, dimensions].
        items: float32 [n_items, dimensions].
        biases: float32 [n_items].
        targets: int32 [n], row in ``items``.
    """
    ranks = np.empty(len(targets))
    step = max(1, _CHUNK // max(1, len(items)))
    for start in range(0, len(targets), step):
        part = slice(start, start + step)
        scores = shoppers[part] @ items.T + biases
        own = np.take_along_axis(scores, targets[part, None].astype(np.int64), axis=1)
        ranks[part] = (scores >= own).sum(axis=1) - 1
    return ranks


def hit_rate(ranks: Ranks, k: int) -> float:
    """Return the share of targets among the first ``k``."""
    return float((ranks < k).mean()) if len(ranks) else 0.0


def mean_reciprocal_rank(ranks: Ranks, k: int) -> float:
    """Return the mean of 1 / (rank + 1), where a target behind the first ``k`` counts 0."""
    return _mean(reciprocal_gains(ranks, k))


def ndcg(ranks: Ranks, k: int) -> float:
    """Return the normalised discounted cumulative gain, which with one target is the mean of 1 / log2(rank + 2).

    Source: Jarvelin and Kekalainen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002.
    """
    return _mean(discounted_gains(ranks, k))


def reciprocal_gains(ranks: Ranks, k: int) -> Ranks:
    """Return what each target brings to the mean reciprocal rank."""
    return np.where(ranks < k, 1.0 / (ranks + 1.0), 0.0)


def discounted_gains(ranks: Ranks, k: int) -> Ranks:
    """Return what each target brings to the NDCG."""
    return np.where(ranks < k, 1.0 / np.log2(ranks + 2.0), 0.0)


def metrics(ranks: Ranks) -> dict[str, float]:
    """Return the figures that a model's manifest holds."""
    return {
        "hit_rate@10": round(hit_rate(ranks, 10), 5),
        "hit_rate@20": round(hit_rate(ranks, 20), 5),
        "mrr@20": round(mean_reciprocal_rank(ranks, 20), 5),
        "ndcg@20": round(ndcg(ranks, 20), 5),
    }


def _mean(gains: Ranks) -> float:
    return float(gains.mean()) if len(gains) else 0.0

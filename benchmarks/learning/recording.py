"""Figures over time: each part of a replay by itself."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.learning.progressive import Progressive
from recommender.training.evaluation import Ranks, hit_rate, mean_reciprocal_rank

K = 20


class Recording(Progressive):
    """Keeps all ranks."""

    def __init__(self) -> None:
        super().__init__()
        self._learning: list[Ranks] = []
        self._parent: list[Ranks] = []

    def add(self, learning: Ranks, parent: Ranks, shoppers: npt.NDArray[np.int64]) -> None:
        super().add(learning, parent, shoppers)
        self._learning.append(learning)
        self._parent.append(parent)

    def ranks(self) -> tuple[Ranks, Ranks]:
        """Return the ranks by the learning model and by its parent, in order of time."""
        return np.concatenate(self._learning), np.concatenate(self._parent)


def compared(learning: Ranks, parent: Ranks) -> dict[str, Any]:
    """Return the figures with and without learning, and the difference with its standard error."""
    found: dict[str, Any] = {"examples": len(learning)}
    for name, ranks in (("with_learning", learning), ("without_learning", parent)):
        found[name] = {
            "hit_rate@20": round(hit_rate(ranks, K), 4),
            "mrr@20": round(mean_reciprocal_rank(ranks, K), 4),
        }
    gains = [np.where(ranks < K, 1.0, 0.0) for ranks in (learning, parent)]
    differences = gains[0] - gains[1]
    found["hit_rate@20_gain"] = round(float(differences.mean()), 4)
    found["hit_rate@20_gain_error"] = round(float(differences.std(ddof=1) / np.sqrt(len(differences))), 4)
    return found


def over_time(learning: Ranks, parent: Ranks, parts: int) -> list[dict[str, Any]]:
    """Return the figures of each of so many equal parts."""
    edges = np.linspace(0, len(learning), parts + 1).astype(int)
    return [
        {"up_to_example": int(end)} | compared(learning[start:end], parent[start:end])
        for start, end in pairwise(edges)
        if end > start + 1
    ]

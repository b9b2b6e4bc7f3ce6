"""Rankings that need no learning: random, popularity, and the shopper's own items again."""

from __future__ import annotations

import numpy as np

from recommender.evaluation.baselines.base import Baseline, Learned, Scores, Sparse
from recommender.evaluation.coded import Asked, Coded, Ints, latest_times
from recommender.evaluation.contest import Parameters
from recommender.evaluation.split import read_duration_us


class _Fixed(Learned):
    """The same ranking for everybody."""

    def __init__(self, known: Coded, scores: Scores) -> None:
        super().__init__(known)
        self._ranked = np.lexsort((-known.popularity, -scores))

    def recommend(self, asked: Asked, k: int) -> list[int]:
        excluded = set(asked.excluded.tolist())
        return [number for number in self._ranked[: k + len(excluded)].tolist() if number not in excluded][:k]


class _Random(Learned):
    def __init__(self, known: Coded, seed: int) -> None:
        super().__init__(known)
        self._random = np.random.default_rng(seed)

    def recommend(self, asked: Asked, k: int) -> list[int]:
        excluded = set(asked.excluded.tolist())
        count = min(self.known.n_items, k + len(excluded))
        drawn = self._random.choice(self.known.n_items, count, replace=False, shuffle=True).tolist()
        return [number for number in drawn if number not in excluded][:k]


class _Again(Sparse):
    """The items of the past, the latest first."""

    def scored(self, asked: Asked) -> tuple[Ints, Scores]:
        items, later = latest_times(asked.items, asked.times_us)
        return items, np.asarray(1.0 / (1.0 + later), dtype=np.float64)


class _Frequency(Sparse):
    """The items of the past of the kind asked for, those of the most different times first."""

    def __init__(self, known: Coded, latest_first: bool) -> None:
        super().__init__(known)
        self._latest_first = latest_first

    def scored(self, asked: Asked) -> tuple[Ints, Scores]:
        items, times = asked.items[asked.is_target], asked.times_us[asked.is_target]
        different, later = latest_times(items, times)
        if not len(items):
            return different, np.empty(0)
        counts = np.unique(np.unique(np.stack([items, times]), axis=1)[0], return_counts=True)[1]
        return different, counts + (0.5 / (1.0 + later) if self._latest_first else 0.0)


class Random(Baseline):
    """Any items."""

    name = "random"

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Seed the dice."""
        return _Random(known, self.contest.seed)


class Popularity(Baseline):
    """What has the most events of the kind asked for."""

    name = "popularity"

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Count them."""
        return _Fixed(known, known.popularity)


class RecentPopularity(Baseline):
    """What had the most events of late; of which time is chosen."""

    name = "recent_popularity"
    grid = ({"window": "1d"}, {"window": "7d"}, {"window": "28d"})

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Count those of the window before the end."""
        since_us = known.end_us - read_duration_us(parameters["window"])
        kept = known.is_target & (known.times_us > since_us)
        return _Fixed(known, np.bincount(known.items[kept], minlength=known.n_items).astype(np.float64))


class RecentItems(Baseline):
    """What the shopper had last, again."""

    name = "recent_items"

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Learn nothing."""
        return _Again(known)


class BuyAgain(Baseline):
    """What the shopper had at the most different times, again; of equals the latest, or what is popular of late."""

    name = "buy_again"
    grid = ({"ties": "recent_popularity"}, {"ties": "recency"})

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Learn nothing."""
        return _Frequency(known, parameters["ties"] == "recency")

"""Rankings that need no learning: random, popularity, and the shopper's own items again."""

from __future__ import annotations

import numpy as np

from recommender.evaluation.baselines.base import Baseline, Learned, Scores
from recommender.evaluation.coded import Asked, Coded, latest_times
from recommender.evaluation.contest import Parameters
from recommender.evaluation.split import read_duration_us


class _Fixed(Learned):
    """The same scores for everybody."""

    def __init__(self, known: Coded, scores: Scores) -> None:
        super().__init__(known)
        self._scores = scores

    def scores(self, asked: Asked) -> Scores:
        return self._scores


class _Random(Learned):
    def __init__(self, known: Coded, seed: int) -> None:
        super().__init__(known)
        self._random = np.random.default_rng(seed)

    def scores(self, asked: Asked) -> Scores:
        return self._random.random(self.known.n_items)


class _Again(Learned):
    """The items of the past, the latest first."""

    def scores(self, asked: Asked) -> Scores:
        scores = np.zeros(self.known.n_items)
        items, later = latest_times(asked.items, asked.times_us)
        scores[items] = 1.0 / (1.0 + later)
        return scores


class _Frequency(Learned):
    """The items of the past of the kind asked for, those of the most different times first."""

    def __init__(self, known: Coded, latest_first: bool) -> None:
        super().__init__(known)
        self._latest_first = latest_first

    def scores(self, asked: Asked) -> Scores:
        items, times = asked.items[asked.is_target], asked.times_us[asked.is_target]
        scores = np.zeros(self.known.n_items)
        if len(items):
            times_of_items = np.unique(np.stack([items, times]), axis=1)[0]
            scores += np.bincount(times_of_items, minlength=self.known.n_items)
            if self._latest_first:
                different, later = latest_times(items, times)
                scores[different] += 0.5 / (1.0 + later)
        return scores


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

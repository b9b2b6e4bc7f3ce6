"""What all baselines have in common: a choice of parameters, learning, and a score for each item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from recommender.evaluation.coded import Asked, Coded
from recommender.evaluation.contest import Contest, Parameters, Recommend
from recommender.evaluation.contract import Query
from recommender.evaluation.log import Event, Progress

Scores = npt.NDArray[np.float64]
"""float64 [n_items], higher is better."""

_TIE_WEIGHT = 1e-7
"""What recent popularity adds to scores that are scaled to 1: it tells equal ones apart."""


class Learned(ABC):
    """A baseline that has learned from a log."""

    def __init__(self, known: Coded) -> None:
        self.known = known
        ties = known.recent_popularity + known.popularity / max(1.0, known.popularity.max(initial=0.0))
        self._ties = _TIE_WEIGHT * ties / max(1.0, ties.max(initial=0.0))

    @abstractmethod
    def scores(self, asked: Asked) -> Scores:
        """Return the score of each item for a query; equal ones are told apart by recent popularity."""

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the best items."""
        asked = self.known.ask(query)
        scores = self.scores(asked)
        ranked = scores / max(np.abs(scores).max(initial=0.0), 1e-30) + self._ties
        ranked[asked.excluded] = -np.inf
        return [self.known.item_ids[number] for number in best(ranked, k)]


class Baseline(ABC):
    """A contestant that learns once, with parameters chosen on the validation part of TRAIN."""

    name: str
    grid: ClassVar[Sequence[Parameters]] = ({},)

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.chosen: Parameters = dict(self.grid[0])
        self._learned: Learned | None = None

    @abstractmethod
    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Learn from a log.

        Raises:
            LeftOut: it is not made for such a log.
        """

    def points(self, known: Coded) -> Sequence[Parameters]:
        """Return the parameters to choose from for this log."""
        return self.grid

    def fit(self, train: Sequence[Event], progress: Progress) -> None:
        """Choose the parameters, then learn from all of TRAIN."""
        known = self.contest.code(train)
        points = self.points(known)
        done = 0

        def learned(beginning: Coded, parameters: Parameters) -> Recommend:
            nonlocal done
            progress("choose", done / len(points))
            done += 1
            return self.learn(beginning, parameters).recommend

        self.chosen = dict(self.contest.choose(train, points, learned))
        progress("learn", 0.0)
        self._learned = self.learn(known, self.chosen)
        progress("learn", 1.0)

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the best items."""
        return self.learned.recommend(query, k)

    def observe(self, event: Event) -> None:  # noqa: B027
        """Do nothing: a baseline knows TRAIN."""

    @property
    def learned(self) -> Learned:
        """What was learned last."""
        if self._learned is None:
            raise RuntimeError(f"{self.name}: must be fitted first")
        return self._learned


class ScoringBaseline(Baseline):
    """A baseline whose scores tell all items apart."""

    def scores(self, query: Query) -> tuple[Sequence[str], npt.NDArray[np.float32]]:
        """Return the items and their scores."""
        known = self.learned.known
        return known.item_ids, self.learned.scores(known.ask(query)).astype(np.float32)


def best(scores: Scores, k: int) -> list[int]:
    """Return the numbers of the best ``k``, the best first, of equals the lowest; none of minus infinity."""
    k = min(k, len(scores))
    if k == 0:
        return []
    candidates = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
    ordered = candidates[np.lexsort((candidates, -scores[candidates]))]
    return [int(number) for number in ordered if scores[number] > -np.inf]

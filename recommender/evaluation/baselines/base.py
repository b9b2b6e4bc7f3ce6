"""What all baselines have in common: a choice of parameters, learning, and scores for items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recommender.evaluation.coded import Asked, Coded, Ints
from recommender.evaluation.contest import Contest, Parameters, Recommend
from recommender.evaluation.contract import Query
from recommender.evaluation.log import Event, Progress

Scores = npt.NDArray[np.float64]
"""float64, higher is better."""


class Learned(ABC):
    """A baseline that has learned from a log."""

    def __init__(self, known: Coded) -> None:
        self.known = known

    @abstractmethod
    def recommend(self, asked: Asked, k: int) -> list[int]:
        """Return the numbers of the best items, none that is excluded."""


class Sparse(Learned):
    """Scores a few items for each query; after them comes what is popular of late, which also parts equals."""

    def __init__(self, known: Coded) -> None:
        super().__init__(known)
        ties = known.recent_popularity + known.popularity / max(1.0, 2.0 * known.popularity.max(initial=0.0))
        self._fill = np.argsort(-ties, kind="stable")
        self._place = np.empty(known.n_items, np.int64)
        self._place[self._fill] = np.arange(known.n_items)

    @abstractmethod
    def scored(self, asked: Asked) -> tuple[Ints, Scores]:
        """Return different items, and their scores; what is not above 0 says nothing."""

    def recommend(self, asked: Asked, k: int) -> list[int]:
        """Return the best items, filled up with popular ones."""
        excluded = set(asked.excluded.tolist())
        wanted = k + len(excluded)
        numbers, scores = self.scored(asked)
        kept = scores > 0
        numbers, scores = numbers[kept], scores[kept]
        if len(numbers) > 4 * wanted:
            kept = scores >= np.partition(scores, -wanted)[-wanted]
            numbers, scores = numbers[kept], scores[kept]
        ranked = numbers[np.lexsort((self._place[numbers], -scores))].tolist()
        if len(ranked) < wanted:
            ranked = list(dict.fromkeys(ranked + self._fill[: 2 * wanted].tolist()))
        return [number for number in ranked if number not in excluded][:k]


class Dense(Learned):
    """Scores all items for each query."""

    @abstractmethod
    def scores(self, asked: Asked) -> npt.NDArray[np.float32]:
        """Return float32 [n_items]."""

    def recommend(self, asked: Asked, k: int) -> list[int]:
        """Return the best items; of equals the one with the lowest number."""
        scores = self.scores(asked).copy()
        scores[asked.excluded] = -np.inf
        k = min(k, len(scores) - len(asked.excluded))
        if k <= 0:
            return []
        candidates = np.argpartition(-scores, k - 1)[:k]
        ordered: list[int] = candidates[np.lexsort((candidates, -scores[candidates]))].tolist()
        return ordered


class Baseline(ABC):
    """A contestant that learns once, with parameters chosen on the validation part of TRAIN."""

    name: str
    grid: ClassVar[Sequence[Parameters]] = ({},)

    def __init__(self, contest: Contest) -> None:
        self.contest = contest
        self.chosen: Parameters = dict(self.grid[0])
        self._learned: Any = None

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
            return recommend_by(self.learn(beginning, parameters))

        self.chosen = dict(self.contest.choose(train, points, learned))
        progress("learn", 0.0)
        self._learned = self.learn(known, self.chosen)
        progress("learn", 1.0)

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the best items."""
        return recommend_by(self._learned)(query, k)

    def observe(self, event: Event) -> None:  # noqa: B027
        """Do nothing: a baseline knows TRAIN."""


class ScoringBaseline(Baseline):
    """A baseline whose scores tell all items apart."""

    def scores(self, query: Query) -> tuple[Sequence[str], npt.NDArray[np.float32]]:
        """Return the items and their scores."""
        learned: Dense = self._learned
        return learned.known.item_ids, learned.scores(learned.known.ask(query))


def recommend_by(learned: Learned) -> Recommend:
    """Return the answers of what was learned, by item ids."""
    known = learned.known

    def recommend(query: Query, k: int) -> list[str]:
        return [known.item_ids[number] for number in learned.recommend(known.ask(query), k)]

    return recommend

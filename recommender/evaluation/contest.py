"""What all contestants of one evaluation share: the task, the seed, and a validation part of TRAIN to choose on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from recommender.evaluation import metrics
from recommender.evaluation.coded import Coded
from recommender.evaluation.contract import Query
from recommender.evaluation.log import Event
from recommender.evaluation.protocols import Protocol, ProtocolName, Question
from recommender.evaluation.split import (
    NothingToTest,
    Split,
    before_the_end,
    last_tenth_us,
    latest_of_each,
    span_us,
)
from recommender.features.interaction import Interaction

Recommend = Callable[[Query, int], list[str]]
Parameters = dict[str, Any]

_QUESTIONS = 1_000
"""Most that a choice is made by."""
_MOST_OF_SPAN = 0.25
_DAY_US = 86_400_000_000
_CHOOSE_AT = {"next-item": 20, "future": 10}


class Validation(NamedTuple):
    """The end of TRAIN, to be foreseen from its beginning by the protocol of the evaluation."""

    protocol: Protocol
    known: Coded
    queries: list[Query]


class Contest:
    """The task of an evaluation.

    Args:
        protocol: how contestants will be asked.
        seed: of all that is random.
    """

    def __init__(self, protocol: Protocol, seed: int) -> None:
        self.name: ProtocolName = protocol.name
        self.seed = seed
        self.horizon_days = _horizon_days(protocol)
        """How far ahead is to be foreseen; 0 for what comes next, and for parts that are not parted in time."""
        self._protocol = protocol
        self._coded: tuple[Sequence[Event], Coded] | None = None
        self._validation: tuple[Sequence[Event], Validation | None] | None = None

    def code(self, train: Sequence[Event]) -> Coded:
        """Return TRAIN as arrays, made once."""
        if self._coded is None or self._coded[0] is not train:
            self._coded = train, Coded(train, self.name, self._protocol.target_rule())
        return self._coded[1]

    def validation(self, train: Sequence[Event]) -> Validation | None:
        """Return the validation part of TRAIN, made once; None where it is too short to have one."""
        if self._validation is None or self._validation[0] is not train:
            self._validation = train, self._validate(train)
        return self._validation[1]

    def choose(
        self,
        train: Sequence[Event],
        points: Sequence[Parameters],
        recommender: Callable[[Coded, Parameters], Recommend],
    ) -> Parameters:
        """Return the point of a grid that foresees the validation part best; the first one where there is none.

        By the metric that is looked at most: the reciprocal rank at 20 of next items, the precision at 10 of a future.
        """
        validation = self.validation(train)
        if validation is None or len(points) == 1:
            return points[0]
        qualities = [self._quality(validation, recommender(validation.known, point)) for point in points]
        return points[int(np.argmax(qualities))]

    def _quality(self, validation: Validation, recommend: Recommend) -> float:
        k = _CHOOSE_AT[self.name]
        rows = []
        for query in validation.queries:
            ranked = recommend(query, k)
            trials = [{target} for target in query.targets] if self.name == "next-item" else [query.targets]
            rows += [[item in targets for item in ranked] + [False] * (k - len(ranked)) for targets in trials]
        hits = np.array(rows, np.bool_).reshape(-1, k)
        figures = metrics.reciprocal_rank(hits, k) if self.name == "next-item" else metrics.precision(hits, k)
        return float(figures.mean()) if len(figures) else 0.0

    def _validate(self, train: Sequence[Event]) -> Validation | None:
        try:
            protocol = self._protocol._replace(split=self._split(train))
            queries = [step.query for step in protocol.steps() if isinstance(step, Question) and step.is_counted]
        except NothingToTest:
            return None
        if not queries:
            return None
        kept = np.linspace(0, len(queries) - 1, min(_QUESTIONS, len(queries))).astype(int)
        known = Coded(protocol.split.train, self.name, self._protocol.target_rule())
        return Validation(protocol, known, [queries[place] for place in kept])

    def _split(self, train: Sequence[Event]) -> Split:
        whole = self._protocol.split
        if whole.overlaps:
            users = {event.user_id for event in whole.test if isinstance(event, Interaction)}
            return latest_of_each(train, max(1, round(len(whole.test) / max(1, len(users)))))
        first, last = span_us(train)
        if self.name == "next-item":
            return before_the_end(train, last_tenth_us(train))
        holdout_us = span_us(whole.test)[1] - whole.cut_us
        return before_the_end(train, max(1, min(holdout_us, int((last - first) * _MOST_OF_SPAN))))


def _horizon_days(protocol: Protocol) -> float:
    split = protocol.split
    if protocol.name == "next-item" or split.overlaps:
        return 0.0
    return max(0, span_us(split.test)[1] - split.cut_us) / _DAY_US

"""Asking one contestant all questions, and noting where the right answers stand."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.evaluation.contract import Contestant, LeftOut, Query, Scorer
from recommender.evaluation.log import Progress
from recommender.evaluation.metrics import auc
from recommender.evaluation.protocols import Protocol, Question

ALL = "all"
_REPORT_EVERY = 200
_MOST_AREAS = 4_000


class Trials(NamedTuple):
    """What the trials of a protocol are, whoever is asked."""

    questions: int
    clusters: npt.NDArray[np.int64]
    """int64 [n_trials], the session or user of each, by number."""
    target_counts: npt.NDArray[np.int64]
    """int64 [n_trials], right answers of each."""
    slices: dict[str, npt.NDArray[np.bool_]]
    """bool [n_trials] by the name of the slice; `ALL` is those that the figures are of."""


class Answers(NamedTuple):
    """What one contestant answered."""

    hits: npt.NDArray[np.bool_]
    """bool [n_trials, K]"""
    areas: npt.NDArray[np.float64] | None
    """float64 [n_trials], the area under the ROC curve of each; None where items are not scored."""
    exposures: dict[str, npt.NDArray[np.int64]]
    """By item, int64 [K]: how often it stood at each place, in questions that count."""
    fit_seconds: float
    ms_per_query: float


def describe_trials(protocol: Protocol, known: frozenset[str]) -> Trials:
    """Go through the questions without asking anybody.

    Args:
        protocol: how contestants are asked.
        known: items with events in TRAIN.
    """
    numbers: dict[str, int] = {}
    clusters, counts, lengths, flags = [], [], [], []
    questions = 0
    for question in _questions(protocol):
        questions += 1
        cluster = numbers.setdefault(question.cluster, len(numbers))
        for targets in _targets(protocol, question.query):
            clusters.append(cluster)
            counts.append(len(targets))
            lengths.append(question.length)
            flags.append((question.is_counted, question.is_known, known.isdisjoint(targets)))
    length = np.array(lengths, np.int64)
    is_counted, is_known, is_cold = np.array(flags, np.bool_).reshape(-1, 3).T
    slices = {ALL: is_counted}
    for few in (1, 2, 3):
        slices[f"length_{few}"] = is_counted & (length == few)
    slices["length_4+"] = is_counted & (length >= 4)
    slices["cold_users"] = ~is_known
    slices["cold_items"] = is_counted & is_cold
    return Trials(questions, np.array(clusters, np.int64), np.array(counts, np.int64), slices)


def ask(contestant: Contestant, protocol: Protocol, trials: Trials, k: int, progress: Progress) -> Answers:
    """Let a contestant learn, then answer all questions in order of time.

    Raises:
        LeftOut: it cannot take part, or breaks the rules.
    """
    began = time.perf_counter()
    contestant.fit(protocol.split.train, lambda what, part: progress(f"{contestant.name}: {what}", part))
    fit_seconds = time.perf_counter() - began
    hits = np.zeros((len(trials.clusters), k), np.bool_)
    areas = _Areas(contestant, trials.questions, len(trials.clusters)) if isinstance(contestant, Scorer) else None
    exposures: dict[str, npt.NDArray[np.int64]] = {}
    row = asked = 0
    answering = 0.0
    for step in protocol.steps():
        if not isinstance(step, Question):
            contestant.observe(step)
            continue
        if asked % _REPORT_EVERY == 0:
            progress(f"{contestant.name}: answer", asked / max(1, trials.questions))
        asked += 1
        began = time.perf_counter()
        ranked = contestant.recommend(step.query, k)
        answering += time.perf_counter() - began
        _check(contestant.name, ranked, step.query, k)
        if step.is_counted:
            for place, item_id in enumerate(ranked):
                if item_id not in exposures:
                    exposures[item_id] = np.zeros(k, np.int64)
                exposures[item_id][place] += 1
        parts = _targets(protocol, step.query)
        if areas is not None:
            areas.add(asked, row, step.query, parts)
        for targets in parts:
            hits[row, : len(ranked)] = [item_id in targets for item_id in ranked]
            row += 1
    progress(f"{contestant.name}: answer", 1.0)
    return Answers(hits, areas.found if areas else None, exposures, fit_seconds, 1_000 * answering / max(1, asked))


def _questions(protocol: Protocol) -> Iterator[Question]:
    return (step for step in protocol.steps() if isinstance(step, Question))


def _targets(protocol: Protocol, query: Query) -> list[frozenset[str]]:
    if protocol.one_target_each:
        return [frozenset({item_id}) for item_id in sorted(query.targets)]
    return [query.targets]


class _Areas:
    """Areas under the ROC curve of one contestant's answers, for up to some thousand questions."""

    def __init__(self, contestant: Scorer, questions: int, trials: int) -> None:
        self._contestant = contestant
        self._each = 1 + questions // _MOST_AREAS
        self._places: tuple[Sequence[str], dict[str, int]] = ((), {})
        self.found = np.full(trials, np.nan)

    def add(self, asked: int, row: int, query: Query, parts: Sequence[frozenset[str]]) -> None:
        """Work out those of a question's trials, which begin at ``row``."""
        if asked % self._each:
            return
        item_ids, scores = self._contestant.scores(query)
        if self._places[0] is not item_ids:
            self._places = item_ids, {item_id: place for place, item_id in enumerate(item_ids)}
        places = self._places[1]
        is_kept = np.ones(len(item_ids), np.bool_)
        is_kept[[places[item] for item in query.exclude if item in places]] = False
        for number, targets in enumerate(parts):
            is_target = np.zeros(len(item_ids), np.bool_)
            is_target[[places[item] for item in targets if item in places]] = True
            self.found[row + number] = auc(np.asarray(scores)[is_kept], is_target[is_kept])


def _check(name: str, ranked: Sequence[str], query: Query, k: int) -> None:
    if len(ranked) > k or len(set(ranked)) < len(ranked) or not query.exclude.isdisjoint(ranked):
        raise LeftOut(f"{name}: must give up to {k} different items, and none to exclude; got {len(ranked)} items")

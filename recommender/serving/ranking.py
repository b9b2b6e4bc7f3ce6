"""One score from all sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.model.ranker import Ranker
from recommender.serving.candidates import Candidates
from recommender.serving.matrix import Matrix
from recommender.serving.ports import Rows, Scores


class Ranking(NamedTuple):
    """Distinct rows, the best first, equal ones by row."""

    rows: Rows
    scores: Scores
    sources: npt.NDArray[np.intp]
    """Which of the candidate lists speaks most for each row."""


def rank(candidates: Sequence[Candidates], weights: Mapping[str, float]) -> Ranking:
    """Add up each row's shares of the sources' highest scores, weighted; a source without a weight counts nothing."""
    lists = [(number, c) for number, c in enumerate(candidates) if len(c.rows) and weights.get(c.source, 0.0) > 0]
    if not lists:
        return Ranking(np.empty(0, np.intp), np.empty(0), np.empty(0, np.intp))
    rows, inverse = np.unique(np.concatenate([c.rows for _, c in lists]), return_inverse=True)
    parts = np.concatenate([_shares(c) * weights[c.source] for _, c in lists])
    scores: Scores = np.bincount(inverse, parts).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    return Ranking(rows[order], scores[order], _origin(rows, inverse, parts, [n for n, _ in lists], candidates)[order])


def rank_learned(matrix: Matrix, ranker: Ranker, candidates: Sequence[Candidates]) -> Ranking:
    """Let the ranker score the candidates."""
    if not len(matrix.rows):
        return Ranking(np.empty(0, np.intp), np.empty(0), np.empty(0, np.intp))
    scores = ranker.scores(matrix.values)
    lists = [number for number, c in enumerate(candidates) if len(c.rows)]
    parts = np.concatenate([_shares(candidates[number]) for number in lists])
    order = np.argsort(-scores, kind="stable")
    origin = _origin(matrix.rows, matrix.places, parts, lists, candidates)
    return Ranking(matrix.rows[order], scores[order], origin[order])


def _shares(some: Candidates) -> Scores:
    highest = some.scores.max(initial=0.0)
    return some.scores / highest if highest > 0 else some.scores


def _origin(
    rows: Rows, inverse: npt.NDArray[np.integer], parts: Scores, lists: Sequence[int], candidates: Sequence[Candidates]
) -> npt.NDArray[np.intp]:
    """Return for each row the list that gives it the largest part."""
    origin = np.concatenate([np.full(len(candidates[number].rows), number, np.intp) for number in lists])
    sources = np.zeros(len(rows), np.intp)
    rising = np.argsort(parts, kind="stable")
    sources[inverse[rising]] = origin[rising]  # of several parts of one row the last, largest one stays
    return sources

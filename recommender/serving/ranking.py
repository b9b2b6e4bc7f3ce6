"""One score from all sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.model.ranker import Ranker
from recommender.serving.candidates import Candidates, shares_of
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
    lengths = [len(c.rows) for _, c in lists]
    parts = shares_of([c for _, c in lists]) * np.repeat([weights[c.source] for _, c in lists], lengths)
    scores: Scores = np.bincount(inverse, parts).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    return Ranking(
        rows[order], scores[order], _origin(len(rows), inverse, parts, [n for n, _ in lists], lengths)[order]
    )


def rank_learned(matrix: Matrix, ranker: Ranker, candidates: Sequence[Candidates]) -> Ranking:
    """Let the ranker score the candidates."""
    if not len(matrix.rows):
        return Ranking(np.empty(0, np.intp), np.empty(0), np.empty(0, np.intp))
    scores = ranker.scores(matrix.values)
    lists = [number for number, c in enumerate(candidates) if len(c.rows)]
    lengths = [len(candidates[number].rows) for number in lists]
    order = np.argsort(-scores, kind="stable")
    origin = _origin(len(matrix.rows), matrix.places, matrix.shares, lists, lengths)
    return Ranking(matrix.rows[order], scores[order], origin[order])


def _origin(
    rows: int, places: npt.NDArray[np.integer], parts: Scores, lists: Sequence[int], lengths: Sequence[int]
) -> npt.NDArray[np.intp]:
    """Return for each row the list that gives it the largest part, of equal ones the last."""
    largest = np.full(rows, -np.inf)
    np.maximum.at(largest, places, parts)
    gives = np.flatnonzero(parts == largest[places])
    origin = np.zeros(rows, np.intp)
    origin[places[gives]] = np.repeat(lists, lengths)[gives]
    return origin

"""One score from all sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.serving.candidates import Candidates
from recommender.serving.ports import Rows, Scores


class Ranking(NamedTuple):
    """Distinct rows, the best first, equal ones by row."""

    rows: Rows
    scores: Scores
    sources: npt.NDArray[np.intp]
    """Which of the candidate lists gave most of each score."""


def rank(candidates: Sequence[Candidates], weights: Mapping[str, float]) -> Ranking:
    """Add up each row's scores, weighted by source; a source without a weight counts nothing."""
    lists = [(number, c) for number, c in enumerate(candidates) if len(c.rows) and weights.get(c.source, 0.0) > 0]
    if not lists:
        return Ranking(np.empty(0, np.intp), np.empty(0), np.empty(0, np.intp))
    rows, inverse = np.unique(np.concatenate([c.rows for _, c in lists]), return_inverse=True)
    parts = np.concatenate([c.scores * weights[c.source] for _, c in lists])
    origin = np.concatenate([np.full(len(c.rows), number, np.intp) for number, c in lists])
    scores: Scores = np.bincount(inverse, parts).astype(np.float64)
    sources = np.zeros(len(rows), np.intp)
    rising = np.argsort(parts, kind="stable")
    sources[inverse[rising]] = origin[rising]  # of several parts of one row the last, largest one stays
    order = np.argsort(-scores, kind="stable")
    return Ranking(rows[order], scores[order], sources[order])

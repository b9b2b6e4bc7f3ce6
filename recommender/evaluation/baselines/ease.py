"""EASE: one linear weight from each item to each other, in closed form.

Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.linalg import get_lapack_funcs

from recommender.evaluation.baselines.base import Dense, ScoringBaseline
from recommender.evaluation.coded import Asked, Coded
from recommender.evaluation.contest import Contest, Parameters
from recommender.evaluation.contract import Floats, LeftOut

MOST_ITEMS = 20_000
"""Beyond it the inverse takes too long, and too much memory."""
_MOST_ITEMS_TO_CHOOSE = 8_000


class _Weights(Dense):
    def __init__(self, known: Coded, weights: Any) -> None:
        super().__init__(known)
        self._weights = weights

    def scores(self, asked: Asked) -> Floats:
        return np.asarray(self._weights[np.unique(asked.items)].sum(axis=0), dtype=np.float32)


class Ease(ScoringBaseline):
    """Scores an item by the weights from those of the past; beyond 8,000 items with the first ``ridge`` of the grid."""

    name = "ease"
    grid = ({"ridge": 200.0}, {"ridge": 20.0}, {"ridge": 1_000.0})

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        self._gram: tuple[Coded, Any] | None = None

    def points(self, known: Coded) -> Sequence[Parameters]:
        """Return the grid, or the first of it where each would take long."""
        return self.grid if known.n_items <= _MOST_ITEMS_TO_CHOOSE else self.grid[:1]

    def learn(self, known: Coded, parameters: Parameters) -> Dense:
        """Invert the Gram matrix of the items."""
        if known.n_items > MOST_ITEMS:
            raise LeftOut(f"ease: must have at most {MOST_ITEMS:,} items; got {known.n_items:,}")
        if self._gram is None or self._gram[0] is not known:
            matrix = known.matrix()
            self._gram = known, (matrix.T @ matrix).toarray()
        gram = self._gram[1]
        if known.n_items <= _MOST_ITEMS_TO_CHOOSE:
            gram = gram.astype(np.float64)
        else:
            self._gram = None  # a copy would be a gigabyte
        gram[np.diag_indices_from(gram)] += parameters["ridge"]
        weights = _inverse(gram)
        weights /= -np.diag(weights)
        np.fill_diagonal(weights, 0.0)
        return _Weights(known, weights.astype(np.float32, copy=False))


def _inverse(gram: Any) -> Any:
    """Invert a positive definite matrix in its own place, which takes a third of the time of solving for all units."""
    factor, invert = get_lapack_funcs(("potrf", "potri"), (gram,))
    gram = np.asfortranarray(gram.T)
    upper, failed = factor(gram, lower=False, overwrite_a=True)
    if not failed:
        upper, failed = invert(upper, lower=False, overwrite_c=True)
    if failed:
        raise LeftOut("ease: must have a Gram matrix that can be inverted; got one that is nearly singular")
    step = 1_024
    for start in range(0, len(upper), step):  # the other half of a symmetric matrix, block by block
        rows = slice(start, start + step)
        block = upper[rows, rows]
        block[:] = np.triu(block) + np.triu(block, 1).T
        upper[start + step :, rows] = upper[rows, start + step :].T
    return upper

"""Matrix factorisation by the library implicit: ALS and BPR. A visit that is not in TRAIN is folded in as a new row.

To be fitted where OpenMP may run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from recommender.evaluation.baselines.base import Dense, Learned, ScoringBaseline
from recommender.evaluation.coded import Asked, Coded
from recommender.evaluation.contest import Parameters
from recommender.evaluation.contract import Floats

_ITERATIONS = 15
_BPR_ITERATIONS = 100
_MOST_BPR_STEPS = 30_000_000
"""Long logs get fewer iterations."""
_ITEMS_PER_FACTOR = 4
"""Small catalogues get fewer factors, or there would be nothing to generalise."""


def _fitting(parameters: Parameters, known: Coded) -> Parameters:
    return {**parameters, "factors": max(2, min(parameters["factors"], known.n_items // _ITEMS_PER_FACTOR))}


class _Als(Dense):
    """Solves for the vector of a row by its items, with the items' vectors as they are."""

    def __init__(self, known: Coded, factors: Any, parameters: Parameters) -> None:
        super().__init__(known)
        self._factors = factors.astype(np.float32)
        self._alpha: float = parameters["alpha"]
        self._gram = self._factors.T @ self._factors + parameters["regularization"] * np.eye(factors.shape[1])

    def scores(self, asked: Asked) -> Floats:
        items, counts = np.unique(asked.items, return_counts=True)
        vectors, confidence = self._factors[items], self._alpha * counts
        matrix = self._gram + vectors.T @ (vectors * (confidence - 1.0)[:, None])
        row = np.linalg.solve(matrix, vectors.T @ confidence).astype(np.float32)
        return np.asarray(self._factors @ row, dtype=np.float32)


class Als(ScoringBaseline):
    """Alternating least squares on how often each row has each item.

    Source: Hu, Koren and Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008.
    """

    name = "als"
    grid = (
        {"factors": 64, "regularization": 0.05, "alpha": 2.0},
        {"factors": 64, "regularization": 0.05, "alpha": 20.0},
        {"factors": 128, "regularization": 1.0, "alpha": 2.0},
        {"factors": 32, "regularization": 1.0, "alpha": 2.0},
    )

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Factorise."""
        from implicit.cpu.als import AlternatingLeastSquares

        settings = _fitting(parameters, known)
        with threadpool_limits(1, "blas"):  # as the library asks for; its own threads stay
            model = AlternatingLeastSquares(**settings, iterations=_ITERATIONS, random_state=self.contest.seed)
            model.fit(known.matrix(counted=True), show_progress=False)
        return _Als(known, model.item_factors, parameters)


class _Bpr(Dense):
    """The vector of a row of TRAIN where there is one; else the mean of those of its items."""

    def __init__(self, known: Coded, rows: Any, items: Any, by_row: bool) -> None:
        super().__init__(known)
        self._row_factors, self._factors, self._by_row = rows, items, by_row

    def scores(self, asked: Asked) -> Floats:
        if self._by_row and asked.row >= 0:
            row = self._row_factors[asked.row]
        elif len(asked.items):
            row = self._factors[asked.items].mean(axis=0)
            row[-1] = 1.0  # the last column of the items is their bias
        else:
            return np.asarray(self._factors[:, -1], dtype=np.float32)
        return np.asarray(self._factors @ row, dtype=np.float32)


class Bpr(ScoringBaseline):
    """Bayesian personalised ranking.

    Source: Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009. For visits the mean of
    the items' vectors, as in Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016.
    """

    name = "bpr"
    grid = (
        {"factors": 64, "learning_rate": 0.05, "regularization": 0.01},
        {"factors": 64, "learning_rate": 0.1, "regularization": 0.002},
        {"factors": 32, "learning_rate": 0.02, "regularization": 0.01},
    )

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Factorise, by one thread: with more, the result would differ each time."""
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        seed = self.contest.seed
        iterations = max(1, min(_BPR_ITERATIONS, _MOST_BPR_STEPS // max(1, len(known.items))))
        model = BayesianPersonalizedRanking(
            **_fitting(parameters, known), iterations=iterations, random_state=seed, num_threads=1
        )
        model.fit(known.matrix(), show_progress=False)
        return _Bpr(known, model.user_factors, model.item_factors, self.contest.name == "future")

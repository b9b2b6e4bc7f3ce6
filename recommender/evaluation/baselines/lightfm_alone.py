"""LightFM with ids alone and the settings of its published figures.

Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; the settings are those
of LightFM's own MovieLens example (WARP, 10 epochs, learning rate 0.05).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from recommender.evaluation.baselines.base import Learned, Scores, ScoringBaseline
from recommender.evaluation.coded import Asked, Coded
from recommender.evaluation.contest import Parameters

_EPOCHS = 10
_LEARNING_RATE = 0.05


class _Vectors(Learned):
    def __init__(self, known: Coded, model: Any) -> None:
        super().__init__(known)
        self._rows, self._items, self._biases = model.user_embeddings, model.item_embeddings, model.item_biases

    def scores(self, asked: Asked) -> Scores:
        scores = self._biases + self._items @ self._rows[asked.row] if asked.row >= 0 else self._biases
        return np.asarray(scores, dtype=np.float64)


class LightfmAlone(ScoringBaseline):
    """Each user and each item has a vector; a user that is not in TRAIN gets what is popular."""

    name = "lightfm"

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Train, by one thread: with more, the result would differ each time."""
        from lightfm import LightFM

        model = LightFM(loss="warp", learning_rate=_LEARNING_RATE, random_state=self.contest.seed)
        model.fit(known.matrix().tocoo(), epochs=_EPOCHS, num_threads=1)
        return _Vectors(known, model)

"""LightFM with ids alone and the settings of its published figures.

Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; the settings are those
of LightFM's own MovieLens example (WARP, 10 epochs, learning rate 0.05).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from recommender.evaluation.baselines.base import Dense, Learned, ScoringBaseline
from recommender.evaluation.coded import Asked, Coded
from recommender.evaluation.contest import Parameters
from recommender.evaluation.contract import Floats, LeftOut

PUBLISHED = {"no_components": 10, "epochs": 10, "learning_rate": 0.05}


class _Vectors(Dense):
    def __init__(self, known: Coded, model: Any) -> None:
        super().__init__(known)
        self._rows, self._items, self._biases = model.user_embeddings, model.item_embeddings, model.item_biases

    def scores(self, asked: Asked) -> Floats:
        scores = self._biases + self._items @ self._rows[asked.row] if asked.row >= 0 else self._biases
        return np.asarray(scores, dtype=np.float32)


class LightfmPublished(ScoringBaseline):
    """Each user and each item has a vector; a user that is not in TRAIN gets what is popular."""

    name = "lightfm"
    grid: ClassVar[Sequence[Parameters]] = (PUBLISHED,)

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Train, by one thread: with more, the result would differ each time."""
        if self.contest.name != "future":
            raise LeftOut(f"{self.name}: must have --protocol future, since it knows users and not visits")
        from lightfm import LightFM

        settings = dict(parameters)
        epochs = settings.pop("epochs")
        model = LightFM(loss="warp", random_state=self.contest.seed, **settings)
        model.fit(known.matrix().tocoo(), epochs=epochs, num_threads=1)
        return _Vectors(known, model)


class LightfmTuned(LightfmPublished):
    """The same with settings chosen on the validation part."""

    name = "lightfm_tuned"
    grid = (PUBLISHED, {"no_components": 64, "epochs": 30, "learning_rate": 0.05})

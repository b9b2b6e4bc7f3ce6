"""Test, then train: how well a learning model does on examples before it has seen them, beside the one it came from.

Source: Gama, Sebastiao, Rodrigues, "On evaluating stream learning algorithms", Machine Learning 90, 2013 (prequential
evaluation with fading factors). The two are compared on the same examples. Examples of one shopper resemble each other,
so shoppers are what is compared: each counts once, by the mean over his examples.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.training.evaluation import Ranks

K = 20
FADING_EXAMPLES = 2_000
"""Half-life of the faded figures [examples]."""
WINDOWS = (600, 6_000)
"""Latest examples that are judged: the small window sees harm soon, the large one sees what is slight [examples]."""
LEAST_SHOPPERS = 30
"""Fewer shoppers in a window are not judged."""
DOUBTFUL_ERRORS = 2.0
WORSE_ERRORS = 4.5
"""How many standard errors below zero the mean difference lies. It is looked at after every batch, for months."""
MARGIN_RATIO = 0.03
"""What is less worse than this, relative to the parent, is left to learn on."""


class Verdict(Enum):
    """What the figures say of the learning model."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    WORSE = "worse"


class Figures(NamedTuple):
    """Faded figures of one model."""

    hit_rate: float
    mrr: float


class Difference(NamedTuple):
    """Mean difference of NDCG@20 over shoppers, the learning model's less its parent's."""

    mean: float
    error: float
    """Standard error of the mean."""
    parent: float
    """The parent's mean NDCG@20."""
    shoppers: int

    @property
    def errors(self) -> float:
        """The difference in standard errors; 0 where there is none."""
        return self.mean / self.error if self.error else 0.0


class Progressive:
    """Figures of the learning model and of its parent, from the parent's start on."""

    def __init__(self) -> None:
        self.tested = 0
        """Examples so far [count]."""
        self._faded = np.zeros((2, 2))
        """Of the learning model and of its parent: hits and reciprocal ranks."""
        self._weight = 0.0
        self._gains = np.zeros((2, 0))
        self._shoppers = np.zeros(0, np.int64)

    def add(self, learning: Ranks, parent: Ranks, shoppers: npt.NDArray[np.int64]) -> None:
        """Take the ranks of a batch's targets, by a model that has not been trained on the batch.

        Args:
            learning: by the learning model.
            parent: by the version it came from.
            shoppers: int64 [n], a number that is the same for examples of one shopper.
        """
        if not len(learning):
            return
        ranks = np.stack([learning, parent])
        inside = ranks < K
        kept = 0.5 ** (len(learning) / FADING_EXAMPLES)
        means = np.stack([inside.mean(axis=1), np.where(inside, 1.0 / (ranks + 1.0), 0.0).mean(axis=1)], axis=1)
        self._faded = kept * self._faded + (1 - kept) * means
        self._weight = kept * self._weight + (1 - kept)
        self.tested += len(learning)
        gains = np.where(inside, 1.0 / np.log2(ranks + 2.0), 0.0)
        self._gains = np.concatenate([self._gains, gains], axis=1)[:, -max(WINDOWS) :]
        self._shoppers = np.concatenate([self._shoppers, shoppers])[-max(WINDOWS) :]

    def figures(self) -> tuple[Figures, Figures]:
        """Return the faded figures of the learning model and of its parent; 0 before the first test."""
        faded = self._faded / (self._weight or 1.0)
        return Figures(*faded[0].tolist()), Figures(*faded[1].tolist())

    def difference(self, window: int) -> Difference:
        """Return how the models differ on the latest examples."""
        learning, parent = self._gains[:, -window:]
        if not len(learning):
            return Difference(0.0, 0.0, 0.0, 0)
        _, numbers, counts = np.unique(self._shoppers[-window:], return_inverse=True, return_counts=True)
        differences = np.bincount(numbers, learning - parent) / counts
        shoppers = len(counts)
        error = float(differences.std(ddof=1)) / math.sqrt(shoppers) if shoppers > 1 else 0.0
        return Difference(
            float(differences.mean()), error, float((np.bincount(numbers, parent) / counts).mean()), shoppers
        )

    def judge(self) -> Verdict:
        """Tell whether the learning model is worse than its parent, by more than the margin and not by chance."""
        verdict = Verdict.GOOD
        for window in WINDOWS:
            found = self.difference(window)
            if found.shoppers < LEAST_SHOPPERS or found.mean > -MARGIN_RATIO * found.parent:
                continue
            if found.errors < -WORSE_ERRORS:
                return Verdict.WORSE
            if found.errors < -DOUBTFUL_ERRORS:
                verdict = Verdict.DOUBTFUL
        return verdict

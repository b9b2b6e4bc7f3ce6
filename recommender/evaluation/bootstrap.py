"""How far a mean would differ on other sessions or users like these: intervals by resampling.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993 (percentile intervals); whole clusters are drawn,
since the events of one session are not independent: Field and Welsh, "Bootstrapping clustered data", JRSS B 2007.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CHUNK = 20_000_000
"""Draws held at a time."""


class Interval(NamedTuple):
    """A mean, and where 95 of 100 means of resampled data lie."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Resamples clusters of trials; the same draws for all that is asked, so that differences are paired.

    Args:
        clusters: int64 [n_trials], the number of each trial's cluster, from 0.
        resamples: how many.
        seed: of the draws.
    """

    def __init__(self, clusters: npt.NDArray[np.int64], resamples: int = 1_000, seed: int = 1) -> None:
        self._clusters = clusters
        self._count = int(clusters.max()) + 1 if len(clusters) else 0
        self._resamples = resamples
        self._seed = seed

    def means(self, figures: Floats) -> Floats:
        """Return the mean of each resample.

        Args:
            figures: float64 [n_trials, n_figures]; NaN for a trial that has no figure.

        Returns:
            float64 [resamples, n_figures]; NaN where no trial with a figure was drawn.
        """
        present = ~np.isnan(figures)
        sums = self._by_cluster(np.where(present, figures, 0.0))
        counts = self._by_cluster(present.astype(np.float64))
        random = np.random.default_rng(self._seed)
        step = max(1, _CHUNK // max(1, self._count))
        means = np.empty((self._resamples, figures.shape[1]))
        for start in range(0, self._resamples, step):
            size = min(step, self._resamples - start)
            draws = random.integers(self._count, size=(size, self._count))
            times = np.stack([np.bincount(row, minlength=self._count) for row in draws]).astype(np.float64)
            with np.errstate(invalid="ignore"):
                means[start : start + size] = (times @ sums) / (times @ counts)
        return means

    def _by_cluster(self, figures: Floats) -> Floats:
        return np.stack(
            [np.bincount(self._clusters, weights=column, minlength=self._count) for column in figures.T], axis=1
        )


def interval(figures: Floats, resampled: Floats) -> Interval:
    """Return the mean of the trials' figures, with the interval of its resampled means."""
    if np.isnan(figures).all():
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.nanpercentile(resampled, [2.5, 97.5])
    return Interval(float(np.nanmean(figures)), float(low), float(high))

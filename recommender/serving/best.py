"""The best of many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.serving.ports import Rows

_STEP = 16
"""Of so many scores one is looked at to guess where the best ones begin."""


def best(scores: npt.NDArray[np.floating], most: int) -> Rows:
    """Return the places of the ``most`` highest scores, the highest first, equal ones by place."""
    if len(scores) > most:
        places = _promising(scores, most)
        return places[np.argsort(-scores[places], kind="stable")][:most]
    return np.argsort(-scores, kind="stable")


def _promising(scores: npt.NDArray[np.floating], most: int) -> Rows:
    """Return a few places, ascending, among which the ``most`` highest scores are."""
    sample = scores[::_STEP]
    enough = 2 * most // _STEP + 8
    if len(sample) > 4 * enough:
        places = np.flatnonzero(scores > np.partition(sample, len(sample) - enough)[len(sample) - enough])
        if len(places) >= most:
            return places
    edge = np.partition(scores, len(scores) - most)[len(scores) - most]
    return np.flatnonzero(scores >= edge)

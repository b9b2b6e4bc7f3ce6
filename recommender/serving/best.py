"""The best of many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.serving.ports import Rows


def best(scores: npt.NDArray[np.floating], most: int) -> Rows:
    """Return the places of the ``most`` highest scores, the highest first, equal ones by place."""
    if len(scores) > most:
        edge = np.partition(scores, len(scores) - most)[len(scores) - most]
        places = np.flatnonzero(scores >= edge)
        return places[np.argsort(-scores[places], kind="stable")][:most]
    return np.argsort(-scores, kind="stable")

"""The best of many."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.intp]

_STEP = 16
"""Of so many scores one is looked at to guess where the best ones begin."""


def best(scores: npt.NDArray[np.floating], most: int, ties: npt.NDArray[np.integer] | None = None) -> Places:
    """Return the places of the ``most`` highest scores, the highest first, equal ones by place.

    Args:
        scores: float [n].
        most: how many at most.
        ties: int [n], distinct; by these equal ones come in order, the lowest first, instead of by place.
    """
    if len(scores) <= most and ties is None:
        return (-scores).argsort(kind="stable")
    places = _promising(scores, most) if len(scores) > most else np.arange(len(scores))
    if ties is not None:
        places = places.take(ties.take(places).argsort())
    return places.take((-scores.take(places)).argsort(kind="stable")[:most])


def _promising(scores: npt.NDArray[np.floating], most: int) -> Places:
    """Return a few places, ascending, among which the ``most`` highest scores are."""
    sample = scores[::_STEP]
    enough = 2 * most // _STEP + 8
    if len(sample) > 4 * enough:
        places = (scores > np.partition(sample, len(sample) - enough)[len(sample) - enough]).nonzero()[0]
        if len(places) >= most:
            return places
    edge = np.partition(scores, len(scores) - most)[len(scores) - most]
    return (scores >= edge).nonzero()[0]

"""Rows of a sparse matrix put one after the other, sums by number, and distinct numbers, without sorting all."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_MOST_MARKED = 4_000_000
"""Of more numbers that there could be, an array of all would be fetched from the system, page by page, each time."""


def places_of(starts: npt.NDArray[Any], lengths: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return the places of some runs, one run after the other: ``starts[0]``, ``starts[0] + 1`` ... ``starts[1]`` ...

    Args:
        starts: int [n].
        lengths: int [n], none negative.
    """
    ends = lengths.cumsum()
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + (starts - ends + lengths).repeat(lengths)


def sum_by_number(numbers: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return the distinct numbers, in no order, and the sum of the weights of each.

    Args:
        numbers: int [n], none negative.
        weights: float [n].
    """
    if not len(numbers):
        return numbers, np.empty(0)
    last, places = _marked(numbers, int(np.maximum.reduce(numbers)) + 1)
    sums = np.bincount(last, weights, len(numbers)).astype(np.float64, copy=False)
    return numbers.take(places), sums.take(places)


def distinct_numbers(numbers: npt.NDArray[Any], size: int) -> tuple[Any, npt.NDArray[np.integer]]:
    """Return the distinct numbers, ascending, and for each number given its place among them.

    Args:
        numbers: int [n], at least 0 and below ``size``.
        size: beyond all numbers.
    """
    last, places = _marked(numbers, size)
    distinct = numbers.take(places)
    order = distinct.argsort()
    place = np.empty(len(numbers), np.intp)  # of all but the last of each number it may be anything
    place[places.take(order)] = np.arange(len(order))
    return distinct.take(order), place.take(last)


def _marked(numbers: npt.NDArray[Any], size: int) -> tuple[npt.NDArray[np.integer], npt.NDArray[np.intp]]:
    """Return the last place of each number among those given, and the places that are the last of some number."""
    own = np.arange(len(numbers), dtype=np.int32)
    last: npt.NDArray[np.integer]
    if size > _MOST_MARKED:
        _, backwards, inverse = np.unique(numbers[::-1], return_index=True, return_inverse=True)
        last = (len(numbers) - 1 - backwards)[inverse[::-1]]
    else:
        mark = np.empty(size, np.int32)  # of numbers not given it may be anything
        mark[numbers] = own
        last = mark.take(numbers)
    return last, (last == own).nonzero()[0]

"""Sums by number, where the numbers lie close together mostly: no sorting then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_DENSE = 16
"""Up to so many numbers that there could be, for each one given, sums of all of them are quickest."""
_SPARSE = 500
"""Beyond so many sorting is quicker than marks."""


def sum_by_number(numbers: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return the distinct numbers, ascending, and the sum of the weights of each.

    Args:
        numbers: int [n], none negative.
        weights: float [n].
    """
    if not len(numbers):
        return numbers, np.empty(0)
    size = int(numbers.max()) + 1
    if size <= _DENSE * len(numbers):
        given = np.zeros(size, np.bool_)
        given[numbers] = True
        some = np.flatnonzero(given)
        return some.astype(numbers.dtype), np.bincount(numbers, weights).astype(np.float64, copy=False)[some]
    distinct, inverse = distinct_numbers(numbers, size)
    return distinct, np.bincount(inverse, weights).astype(np.float64, copy=False)


def distinct_numbers(numbers: npt.NDArray[Any], size: int) -> tuple[Any, npt.NDArray[np.integer]]:
    """Return the distinct numbers, ascending, and for each number given its place among them.

    Args:
        numbers: int [n], at least 0 and below ``size``.
        size: beyond all numbers.
    """
    if size > _SPARSE * len(numbers):
        distinct, inverse = np.unique(numbers, return_inverse=True)
        return distinct, inverse
    given = np.zeros(size, np.bool_)
    given[numbers] = True
    some = np.flatnonzero(given)
    place = np.empty(size, np.int32)  # of numbers not given it may be anything
    place[some] = np.arange(len(some), dtype=np.int32)
    return some.astype(numbers.dtype, copy=False), place[numbers]

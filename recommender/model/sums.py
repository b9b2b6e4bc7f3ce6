"""Sums by number, where the numbers lie close together mostly: no sorting then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_DENSE = 16
"""Up to so many numbers that there could be, for each one given, sums of all of them are quickest."""
_SPARSE = 100
"""Beyond so many sorting is quicker than marks."""
_PLACE_BITS = 24
_NUMBER_BITS = 63 - _PLACE_BITS
_PLACES = (1 << _PLACE_BITS) - 1


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
    order, begins = _sorted(numbers, size)
    distinct = numbers[order[begins]]
    return distinct, np.bincount(np.cumsum(begins) - 1, weights[order]).astype(np.float64, copy=False)


def _sorted(numbers: npt.NDArray[Any], size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the places of the numbers in ascending order, equal ones by place, and which begin equal ones."""
    if size < 1 << _NUMBER_BITS and len(numbers) < 1 << _PLACE_BITS:
        # Each with its place in one number: these are sorted much quicker than places by what is at them.
        keys = numbers.astype(np.int64) << _PLACE_BITS
        keys |= np.arange(len(numbers))
        keys.sort()
        order, ascending = keys & _PLACES, keys >> _PLACE_BITS
    else:
        order = np.argsort(numbers, kind="stable")
        ascending = numbers[order]
    begins = np.ones(len(numbers), np.bool_)
    np.not_equal(ascending[1:], ascending[:-1], out=begins[1:])
    return order, begins


def distinct_numbers(numbers: npt.NDArray[Any], size: int) -> tuple[Any, npt.NDArray[np.integer]]:
    """Return the distinct numbers, ascending, and for each number given its place among them.

    Args:
        numbers: int [n], at least 0 and below ``size``.
        size: beyond all numbers.
    """
    if size > _SPARSE * len(numbers):
        order, begins = _sorted(numbers, size)
        inverse = np.empty(len(numbers), np.intp)
        inverse[order] = np.cumsum(begins) - 1
        return numbers[order[begins]], inverse
    given = np.zeros(size, np.bool_)
    given[numbers] = True
    some = np.flatnonzero(given)
    place = np.empty(size, np.int32)  # of numbers not given it may be anything
    place[some] = np.arange(len(some), dtype=np.int32)
    return some.astype(numbers.dtype, copy=False), place[numbers]

"""Sums by number, where the numbers lie close together mostly: no sorting then."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_SPARSE = 16
"""Beyond so many numbers that there could be, for each one given, sorting is quicker."""


def sum_by_number(numbers: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Any, npt.NDArray[np.float64]]:
    """Return the distinct numbers, ascending, and the sum of the weights of each.

    Args:
        numbers: int [n], none negative.
        weights: float [n].
    """
    if not len(numbers):
        return numbers, np.empty(0)
    size = int(numbers.max()) + 1
    if size > _SPARSE * len(numbers):
        distinct, inverse = np.unique(numbers, return_inverse=True)
        return distinct, np.bincount(inverse, weights).astype(np.float64, copy=False)
    given = np.zeros(size, np.bool_)
    given[numbers] = True
    distinct = np.flatnonzero(given).astype(numbers.dtype)
    return distinct, np.bincount(numbers, weights).astype(np.float64, copy=False)[distinct]

"""What leads from one item to others: weights by pairs of items, of each item the strongest alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.model.sums import places_of, sum_by_number

Numbers = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]

_NOTHING = np.empty(0, np.int32), np.empty(0, np.float32)


class Links(NamedTuple):
    """Rows of weighted items, one for each item: a sparse matrix by rows. The items of a row are in no order."""

    starts: npt.NDArray[np.int64]
    """int64 [n_items + 1]"""
    items: Numbers
    """int32 [n]"""
    weights: Floats
    """float32 [n]"""

    def of(self, item: int) -> tuple[Numbers, Floats]:
        """Return the items that an item leads to and their weights; none for an item beyond the rows."""
        if item + 1 >= len(self.starts):
            return _NOTHING
        part = slice(self.starts[item], self.starts[item + 1])
        return self.items[part], self.weights[part]

    def from_all(self, items: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Numbers, Floats]:
        """Return the distinct items that some items lead to, in no order, each with the weighted sum of the weights.

        Items below 0, or beyond the rows, lead nowhere.
        """
        inside = ((items >= 0) & (items + 1 < len(self.starts))).nonzero()[0]
        items, weights = items.take(inside), weights.take(inside)
        starts = self.starts[items]
        lengths = self.starts[items + 1] - starts
        places = places_of(starts, lengths)
        if not len(places):
            return _NOTHING
        reached, sums = sum_by_number(self.items[places], self.weights[places] * weights.repeat(lengths))
        return reached, sums.astype(np.float32)

"""The index of a model's vectors, and the rows that it does not know as they are now."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.serving.item_index import ItemIndex
from recommender.serving.ports import Floats, Rows

MOST_CHANGED = 5_000
"""Rows beside the index, all of which are asked each time; beyond that it should be made anew [count]."""
_OVERSAMPLING = (2, 8)
"""Rows asked of the index for each one wanted, since some are unavailable: at first, and if that was too few."""


class RowIndex:
    """Proposes rows that have nearly all of those of highest score among them."""

    def __init__(self) -> None:
        self._index: ItemIndex | None = None
        self._changed: dict[int, int] = {}
        """Row to when it changed."""
        self._changed_rows: Rows | None = None
        self._changes = 0

    def note(self, row: int) -> None:
        """Take note that a row is new, or has another vector."""
        self._changes += 1
        self._changed[row] = self._changes
        self._changed_rows = None

    @property
    def changes(self) -> int:
        """Grows with each row noted."""
        return self._changes

    def take(self, index: ItemIndex, changes: int) -> None:
        """Use an index of all rows as they were when there had been so many changes."""
        self._index = index
        self._changed = {row: change for row, change in self._changed.items() if change > changes}
        self._changed_rows = None

    def take_over(self, other: RowIndex, matrix: Floats) -> None:
        """Use the index of other vectors of the same rows, if these are like those that it was made of."""
        index, changed = other._index, list(other._changed)
        if index is not None and index.suits(matrix):
            self._index = index
            for row in changed:
                self.note(row)

    def is_stale(self) -> bool:
        """Tell whether there is no index, or too many rows have changed since it was made."""
        return self._index is None or len(self._changed) > MOST_CHANGED

    def propose(self, vector: Floats, eligible: npt.NDArray[np.bool_], most: int) -> Rows | None:
        """Return some eligible rows, ascending, each once; None where all have to be asked.

        Args:
            vector: of a shopper.
            eligible: a flag for each row.
            most: how many rows of highest score are looked for.
        """
        if self._index is None:
            return None
        for times in _OVERSAMPLING:
            found = self._index.search(vector, most * times)
            found = found[found < len(eligible)]
            found = found[eligible[found]]
            if len(found) >= most:
                changed = self._all_changed()
                changed = changed[changed < len(eligible)]
                return np.union1d(found, changed[eligible[changed]])
        return None

    def _all_changed(self) -> Rows:
        if self._changed_rows is None:
            self._changed_rows = np.fromiter(self._changed, np.intp, len(self._changed))
        return self._changed_rows

"""A set of row numbers that can be had as an array at any moment without walking over it."""

from __future__ import annotations

import numpy as np

from recommender.serving.ports import Rows

_NO_ROWS: Rows = np.empty(0, np.intp)
_FEW = 64
"""Changes that wait whatever the size of the set [count]."""
_SHARE = 7
"""Of a large set one part in two to this power may wait: little for who asks, and little copied for each change."""


class RowSet:
    """Rows in no particular order. Changes wait until the array is asked for, or until they are many."""

    __slots__ = ("_changed", "_highest", "_room", "_rows")

    def __init__(self) -> None:
        self._room = _NO_ROWS
        """Where the rows are, with some places left behind them."""
        self._rows = _NO_ROWS
        self._highest = -1
        self._changed: dict[int, bool] = {}
        """Rows whose place in the array is not known, and whether they are in the set."""

    def add(self, row: int) -> None:
        """Put a row in."""
        self._note(row, True)

    def discard(self, row: int) -> None:
        """Take a row out, if it is in."""
        self._note(row, False)

    def rows(self) -> Rows:
        """Return all rows, each once; not to be changed."""
        if self._changed:
            self._settle()
        return self._rows

    def _note(self, row: int, within: bool) -> None:
        self._changed[row] = within
        if len(self._changed) > max(_FEW, len(self._rows) >> _SHARE):
            self._settle()

    def _settle(self) -> None:
        changed = np.fromiter(self._changed, np.intp, len(self._changed))
        within = np.fromiter(self._changed.values(), np.bool_, len(self._changed))
        new, kept = changed[within], self._rows
        if changed.min() <= self._highest:
            kept = kept[np.isin(kept, changed, invert=True)]
        size = len(kept) + len(new)
        if kept is not self._rows or size > len(self._room):
            # A new place, since whoever was given the rows before may still have them.
            self._room = np.empty(size + (size >> 2), np.intp)
            self._room[: len(kept)] = kept
        self._room[len(kept) : size] = new
        self._rows = self._room[:size]
        self._highest = max(self._highest, int(changed.max()))
        self._changed = {}

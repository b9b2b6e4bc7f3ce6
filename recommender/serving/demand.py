"""The rows of most interest, kept while interest and stock change all the time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from recommender.model.best import best
from recommender.serving.ports import Rows, Scores

_SPARE = 4
"""Rows that are kept for each one asked for, as some are sold out."""
_LEAST = 200
_MOST_ASKED = 1_000
"""Who asks for more gets them looked for among all."""


class Demand:
    """Of some rows those of highest value.

    They are looked for among all rows once. From then on each row whose value has changed is noted, and stays or comes
    in as long as it is above all rows that are not kept. What can be sold is looked at when it is asked for.

    Args:
        rows: returns all rows that there are, ascending.
    """

    def __init__(self, rows: Callable[[], Rows]) -> None:
        self._all = rows
        self._kept: set[int] = set()
        self._floor = np.inf
        """No row that is not kept has a higher value."""
        self._room = 0
        self._is_whole = False
        self._order: Rows | None = None
        """The kept rows, the highest first; None where it has to be found anew."""

    def note(self, row: int, value: float) -> None:
        """Take note that a row is new, or has another value."""
        if self._is_whole or value > self._floor or row in self._kept:
            self._kept.add(row)
            self._order = None

    def highest(self, values: Scores, available: npt.NDArray[np.bool_], most: int) -> Rows:
        """Return the available rows of highest value, the first first; ties by row.

        Args:
            values: of each row of the table.
            available: a flag for each row of the table.
            most: how many at most.
        """
        if most > _MOST_ASKED:
            rows = self._all()
            rows = rows[available[rows]]
            return rows[best(values[rows], most)]
        if self._room < most or len(self._kept) > _SPARE * self._room:
            self._keep(values, max(_LEAST, _SPARE * most))
        found = self._available(values, available, most)
        while len(found) < most and not self._is_whole:
            self._keep(values, _SPARE * self._room)
            found = self._available(values, available, most)
        return found

    def _keep(self, values: Scores, room: int) -> None:
        rows = self._all()
        self._is_whole = len(rows) <= room
        self._order = rows[best(values[rows], room)]
        self._floor = float(values[self._order[-1]]) if len(rows) > room else -np.inf
        self._kept = set(self._order.tolist())
        self._room = room

    def _available(self, values: Scores, available: npt.NDArray[np.bool_], most: int) -> Rows:
        if self._order is None:
            rows = np.sort(np.fromiter(self._kept, np.intp, len(self._kept)))
            found = values[rows]
            if not self._is_whole and (found < self._floor).any():
                above = found >= self._floor
                rows, found = rows[above], found[above]
                self._kept = set(rows.tolist())
            self._order = rows[np.argsort(-found, kind="stable")]
        order = self._order
        first = order[: 2 * most]
        enough = first[available[first]]
        return enough[:most] if len(enough) >= most else order[available[order]][:most]

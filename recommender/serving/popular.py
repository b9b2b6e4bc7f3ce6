"""What is shown when nothing better can be made in time: items in demand, found beforehand."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from recommender.serving.candidates import Flags
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import Rows
from recommender.serving.request import SlateItem, SlateRequest
from recommender.serving.selection import in_demand

KEPT = 1_000
"""Items kept of the shop, and of each category that is asked for [count]."""
RENEWED_AFTER_S = 2.0
MOST_CATEGORIES = 1_000


class Popular:
    """Items in demand, in the shop and by category."""

    def __init__(self, table: ItemTable, clock: Callable[[], float] = time.monotonic) -> None:
        self._table = table
        self._clock = clock
        self._rows: dict[str | None, tuple[float, Rows]] = {}

    def renew(self) -> None:
        """Find the items of the whole shop again; to be called about once in two seconds, beside the requests."""
        self._find(None)

    def items(self, request: SlateRequest, taken: Collection[int], most: int, flags: Flags | None) -> list[SlateItem]:
        """Return items for a slate: available ones, not taken, in the request's category and inside its filters."""
        known = self._rows.get(request.category)
        if known is None or self._clock() - known[0] > RENEWED_AFTER_S:
            known = self._find(request.category)
        rows = known[1]
        rows = rows[self._table.available[rows]]
        if flags is not None:
            rows = rows[flags[rows]]
        found = [SlateItem(row, 0.0, "trending") for row in rows[: most + len(taken)].tolist() if row not in taken]
        if len(found) < most:
            found = in_demand(self._table, request, taken, most, flags)
        return found[:most]

    def _find(self, category: str | None) -> tuple[float, Rows]:
        if len(self._rows) > MOST_CATEGORIES:
            self._rows.clear()
        found = self._rows[category] = (self._clock(), self._table.trending(category, KEPT))
        return found

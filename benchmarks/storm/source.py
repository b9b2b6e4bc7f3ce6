"""Stock changes and slates in one stream, and what slates show of items that are known to be sold out."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from benchmarks.serve.http_load import Ask, percentiles
from benchmarks.serve.sources import home, item_ids_of, post

SLATE, STOCK = "slate", "stock"
_OK, _ACCEPTED = 200, 202
_IN_STOCK = 100


class _Changes(NamedTuple):
    """The stock changes of one request."""

    out: Sequence[str]
    back: Sequence[str]


class Storm:
    """Items sell out and come back, batch after batch, while shoppers look at their home slates.

    One item after the other sells out; the one half a round before it comes back, so that half of them are sold out.
    An item counts as sold out from the acknowledgement on, until a request leaves that brings it back.

    Args:
        items: those that flip.
        batch: stock changes in one request; half of them sell out.
        users: who looks.
        slates_per_change: slates for each request of changes.
        n: length of slates.
        limit_s: how long a sold-out item may still be shown.
    """

    def __init__(
        self, items: Sequence[str], batch: int, users: Sequence[str], slates_per_change: int, n: int, limit_s: float
    ) -> None:
        self._items, self._batch, self._limit_s = items, batch, limit_s
        self._homes = [Ask(SLATE, home(user, n)) for user in users]
        self._pattern = deque([STOCK] + [SLATE] * slates_per_change)
        self._next_slate = self._next_item = 0
        self._since: dict[str, float] = {}
        """When the selling out of each item was acknowledged, while it is sold out."""
        self._seen: dict[tuple[str, float], float] = {}
        """For how long each selling out was still seen [s]."""
        self.changes = self.sold_out = self.slates = self.late_slates = self.of_flipping = 0
        self._flipping = frozenset(items)

    def next(self) -> Ask:
        self._pattern.rotate(-1)
        if self._pattern[-1] == STOCK:
            return self._changes()
        self._next_slate += 1
        return self._homes[self._next_slate % len(self._homes)]

    def _changes(self) -> Ask:
        half, first = max(1, self._batch // 2), self._next_item
        self._next_item = (first + half) % len(self._items)
        changes = _Changes(self._from(first, half), self._from(first + len(self._items) // 2, half))
        for item in changes.back:
            self._since.pop(item, None)
        stocks = [*((item, 0) for item in changes.out), *((item, _IN_STOCK) for item in changes.back)]
        body = orjson.dumps([{"item_id": item, "stock": stock} for item, stock in stocks])
        return Ask(STOCK, post("/v1/stock", body), changes)

    def _from(self, first: int, count: int) -> list[str]:
        return [self._items[place % len(self._items)] for place in range(first, first + count)]

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        if ask.kind == STOCK:
            if status != _ACCEPTED:
                return False
            changes: _Changes = ask.who
            self.changes += len(changes.out) + len(changes.back)
            self.sold_out += len(changes.out)
            self._since.update(dict.fromkeys(changes.out, ended))
            return True
        if status != _OK:
            return False
        shown = item_ids_of(body)
        self.slates += 1
        self.of_flipping += any(item in self._flipping for item in shown)
        late = False
        for item in shown:
            since = self._since.get(item)
            if since is not None:
                age = ended - since
                self._seen[item, since] = age
                late = late or age > self._limit_s
        self.late_slates += late
        return bool(shown)

    def figures(self) -> dict[str, Any]:
        """Return what was seen."""
        last = array("d", [1_000 * age for age in self._seen.values()])
        return {
            "stock_changes": self.changes,
            "sold_out": self.sold_out,
            "slates_seen": self.slates,
            "slates_with_flipping_items": self.of_flipping,
            "slates_too_late": self.late_slates,
            "sold_out_still_seen": len(last),
            "seen_after_ms": percentiles(last),
            "longest_seen_ms": round(max(last, default=0.0), 1),
        }

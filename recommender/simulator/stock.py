"""The stock of the simulated shop: it falls with each sale, runs out now and then, and is filled up."""

from __future__ import annotations

import random
from collections.abc import Iterable

_LOW = 2


class Stock:
    """Units in stock of each item."""

    def __init__(self, item_ids: Iterable[str], rng: random.Random) -> None:
        self._rng = rng
        self._levels = {item_id: self._delivery() for item_id in item_ids}
        self._awaited: set[str] = set()

    def level(self, item_id: str) -> int:
        """Return the units in stock."""
        return self._levels[item_id]

    def has(self, item_id: str) -> bool:
        """Tell whether an item can be bought."""
        return self._levels[item_id] > 0

    def sell(self, item_id: str, quantity: int) -> int:
        """Take units out, at most those there are; return how many."""
        sold = min(quantity, self._levels[item_id])
        self._levels[item_id] -= sold
        return sold

    def put_back(self, item_id: str, quantity: int) -> None:
        """Take units back in."""
        self._levels[item_id] += quantity

    def withdraw(self, item_id: str) -> None:
        """Take all units off sale."""
        self._levels[item_id] = 0

    def order_if_low(self, item_id: str) -> bool:
        """Tell whether a delivery is to be ordered now; true once until it has come."""
        if self._levels[item_id] > _LOW or item_id in self._awaited:
            return False
        self._awaited.add(item_id)
        return True

    def deliver(self, item_id: str) -> None:
        """Fill up an item."""
        self._awaited.discard(item_id)
        self._levels[item_id] += self._delivery()

    def _delivery(self) -> int:
        return self._rng.randint(4, 60)

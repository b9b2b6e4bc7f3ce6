"""What else goes on in the shop: slates and events of other shoppers."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.serve.http_load import Ask
from benchmarks.serve.sources import home, post, view

SLATE, EVENTS = "slate", "events"


class Others:
    """Home slates, and views of random items in requests of several.

    Args:
        users: who looks around.
        items: what they look at.
        slates_per_post: slates for each request of events.
        batch: events in one request.
        n: length of slates.
    """

    def __init__(self, users: Sequence[str], items: Sequence[str], slates_per_post: int, batch: int, n: int) -> None:
        self._users, self._items, self._batch = users, items, batch
        self._homes = [Ask(SLATE, home(user, n)) for user in users]
        self._period = slates_per_post + 1
        self._number = self._events = 0
        self._label = time.time_ns()
        self._rng = np.random.default_rng(1)

    def next(self) -> Ask:
        self._number += 1
        if self._number % self._period:
            return self._homes[self._number % len(self._homes)]
        users = self._rng.integers(len(self._users), size=self._batch).tolist()
        items = self._rng.integers(len(self._items), size=self._batch).tolist()
        views = []
        for user, item in zip(users, items, strict=True):
            self._events += 1
            views.append(view(f"other-{self._label}-{self._events}", self._users[user], self._items[item]))
        return Ask(EVENTS, post("/v1/events", b"[" + b",".join(views) + b"]"))

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        return status == (202 if ask.kind == EVENTS else 200)

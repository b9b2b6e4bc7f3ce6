"""What is asked: the same requests over and over, or by shoppers who come, look around and click."""

from __future__ import annotations

import time
from bisect import bisect
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson

from benchmarks.serve.http_load import Ask

HOME, LISTING, ITEM, CLICK = "home", "listing", "item", "click"
PAGES = (HOME, LISTING, ITEM, ITEM, LISTING, ITEM, ITEM, LISTING, ITEM, ITEM)
"""The pages of a visit, in order; an item page comes with the shopper's own click."""
_ITEM_ID = b'"item_id":"'
_DRAWN = 65_536
_CLICKED_AMONG = 10
"""Places of a slate from which an item is clicked, the one at place k with a weight of 1 / (k + 1)."""
_CLICK_CHANCES = [sum(1 / k for k in range(1, upto + 1)) for upto in range(1, _CLICKED_AMONG + 1)]
_CLICK_CHANCES = [chance / _CLICK_CHANCES[-1] for chance in _CLICK_CHANCES]
_OK, _ACCEPTED = 200, 202


def get(path: str, *, live: bool = False, key: str | None = None) -> bytes:
    """Return a request; ``live`` passes the cache by."""
    headers = "cache-control: no-cache\r\n" if live else ""
    if key:
        headers += f"authorization: Bearer {key}\r\n"
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Return a request with JSON."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def home(user_id: str, n: int, *, live: bool = False) -> bytes:
    """Return the request for a shopper's home slate."""
    return get(f"/v1/users/{quote(user_id, safe='')}/recommendations?n={n}", live=live)


class Cycle:
    """The same requests, one after the other, over and over.

    Args:
        kind: names them.
        requests: what is sent.
        items: how long a slate must be to be right; 0 where it is none.
    """

    def __init__(self, kind: str, requests: Sequence[bytes], items: int, *, again: bool = False) -> None:
        self._asks = [Ask(kind, request, again=again) for request in requests]
        self._items = items
        self._number = 0

    def next(self) -> Ask:
        ask = self._asks[self._number % len(self._asks)]
        self._number += 1
        return ask

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        return status == _OK and (not self._items or body.count(_ITEM_ID) == self._items)


class Visits:
    """Shoppers who come as often as Zipf's law says, each for a visit of some pages.

    Args:
        users: ids, the one who comes most often first.
        exponent: of Zipf's law; 0 for all alike.
        pages: what each visit looks at.
        at_once: visits under way.
        categories: of the listings.
        n: length of slates.
        seed: of the draws.
    """

    def __init__(
        self,
        users: Sequence[str],
        exponent: float,
        pages: Sequence[str],
        at_once: int,
        categories: Sequence[str],
        n: int,
        seed: int,
    ) -> None:
        self._users, self._pages, self._n = users, pages, n
        self._rng = np.random.default_rng(seed)
        weights = np.arange(1, len(users) + 1, dtype=float) ** -exponent
        self._chances = np.cumsum(weights / weights.sum())
        self._listings = [get(f"/v1/trending?category={quote(each, safe='')}&n={n}") for each in categories]
        self._homes = [home(each, n) for each in users]
        self._label = f"{seed}-{time.time_ns()}"
        self._clicks = 0
        self._draws: list[float] = []
        self._idle = deque(self._visit(first) for first in self._rng.integers(len(pages), size=at_once).tolist())

    def next(self) -> Ask | None:
        if not self._idle:
            return None
        visit = self._idle.popleft()
        if visit.page >= len(self._pages):
            visit = self._visit(0)
        page = self._pages[visit.page]
        if page == ITEM and visit.item and not visit.clicked:
            visit.clicked = True
            return Ask(CLICK, self._click(visit), visit)
        visit.page, visit.clicked = visit.page + 1, False
        if page == ITEM and visit.item:
            return Ask(ITEM, get(f"/v1/items/{quote(visit.item, safe='')}/similar?n={self._n}"), visit)
        if page == LISTING:
            return Ask(LISTING, self._listings[int(self._draw() * len(self._listings))], visit)
        return Ask(HOME, self._homes[visit.user], visit)

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        visit: _Visit = ask.who
        if ask.kind == CLICK:
            right = status == _ACCEPTED
        else:
            found = body.count(_ITEM_ID)
            right = status == _OK and found > 0
            if right:
                visit.item = _item_at(body, min(found - 1, bisect(_CLICK_CHANCES, self._draw())))
        self._idle.append(visit)
        return right

    def _visit(self, page: int) -> _Visit:
        return _Visit(int(np.searchsorted(self._chances, self._draw())), page)

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._rng.random(_DRAWN).tolist()
        return self._draws.pop()

    def _click(self, visit: _Visit) -> bytes:
        self._clicks += 1
        return post("/v1/events", view(f"bench-{self._label}-{self._clicks}", self._users[visit.user], visit.item))


class _Visit:
    """Where a shopper is."""

    __slots__ = ("clicked", "item", "page", "user")

    def __init__(self, user: int, page: int) -> None:
        self.user, self.page = user, page
        self.item = ""
        self.clicked = False


def view(event_id: str, user_id: str, item_id: str) -> bytes:
    """Return the event that a shopper looks at an item, now."""
    event: dict[str, Any] = {
        "kind": "view",
        "event_id": event_id,
        "event_time": datetime.now(UTC).isoformat(),
        "user_id": user_id,
        "item_id": item_id,
    }
    return orjson.dumps(event)


def item_ids_of(body: bytes) -> list[str]:
    """Return the items of a slate, in order."""
    return [part[: part.find(b'"')].decode() for part in body.split(_ITEM_ID)[1:]]


def _item_at(body: bytes, place: int) -> str:
    start = -1
    for _ in range(place + 1):
        start = body.find(_ITEM_ID, start + 1)
    start += len(_ITEM_ID)
    return body[start : body.find(b'"', start)].decode()

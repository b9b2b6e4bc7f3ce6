"""Slates that need not be made again: in this process, and in Redis for all processes.

A slate is given again only while it is what a new one would be: its shopper has done nothing since, no item of it has
changed, and model, surfaces and campaigns are the same; and never beyond its surface's ``cache_seconds``. In this
process the shopper's deeds are known by change notices, in Redis by the times of the feature rows, which are read with
it. Items are looked at in the item table each time, so no slate waits for a message to lose a sold-out item.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from recommender.changes import ERASED, HIDDEN, ChangeNotice
from recommender.features import SessionFeatures, UserFeatures, UserItems, UserPurchases
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import Rows
from recommender.serving.request import Fallback, SlateItem, SlateRequest

MOST_SLATES = 20_000
"""Kept in one process, some 8 KB each; beyond them those go that were not asked for for longest."""
MOST_IDS = 100
"""A question that names more items than these is not kept: nobody is likely to ask it again [count]."""
SHORT_FOR_S = 1.0
"""How long a slate is given again that has fewer items than were asked for: there may be more of them soon."""
_OF_USER = frozenset({UserFeatures.view, UserItems.view, UserPurchases.view})

Key = tuple[str, SlateRequest]
"""Name of the surface, and all that is asked."""


class StoredSlate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A slate as Redis keeps it, and as every process understands it."""

    made_at: float
    """[s since 1970 UTC]"""
    version: str
    """Of the model and of the rules that it was made by."""
    stamp: bytes
    """The times of the shopper's feature rows that it was made from."""
    feature_time_us: int
    """The latest of these; 0 without any."""
    fallback: Fallback | None
    items: tuple[tuple[str, int, float, str], ...]
    """Of each item its id, the feature time of its catalogue row [us], score and source."""


class Kept(msgspec.Struct, gc=False):
    """A slate as this process keeps it."""

    stored: StoredSlate
    body: bytes
    """The answer, but for what is different each time that it is given."""
    rows: Rows
    catalogue_us: npt.NDArray[np.int64]
    owners: tuple[str, ...]
    barred: frozenset[int] | None
    """The rows that were not shown to this shopper, whatever else was; None where that is not known."""
    current: bool = True
    """Whether the shopper has done nothing since. What is not current is kept for when no slate can be made."""

    def entries(self) -> list[SlateItem]:
        """Return the items in their places."""
        items = self.stored.items
        return [SlateItem(row, item[2], item[3]) for row, item in zip(self.rows.tolist(), items, strict=True)]


class Flight(msgspec.Struct):
    """A slate that is being made; whoever asks for the same waits for it."""

    future: asyncio.Future[Any]
    owners: tuple[str, ...]
    overtaken: bool = False
    """Whether the shopper has done something since it was begun: then it is not kept."""


class SlateCache:
    """The slates of one process; owned by its event loop."""

    def __init__(
        self, table: ItemTable, count: Callable[[str], None] = lambda reason: None, most: int = MOST_SLATES
    ) -> None:
        self._table = table
        self._count = count
        self._most = most
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._of_owner: dict[str, set[Key]] = {}
        self._flights: dict[Key, Flight] = {}

    def __len__(self) -> int:
        """Return how many slates are kept."""
        return len(self._kept)

    def get(self, key: Key, version: str, now_s: float, most_s: float) -> Kept | None:
        """Return a slate that is what a new one would be, and at most ``most_s`` old [s]."""
        kept = self._kept.get(key)
        if kept is None or not kept.current:
            return None
        reason = self._why_not(kept, key[1].n, version, now_s, most_s)
        if reason is None:
            self._kept.move_to_end(key)
            return kept
        kept.current = False
        self._count(reason)
        return None

    def last(self, key: Key, now_s: float, most_s: float) -> Kept | None:
        """Return the last slate that was made, whatever has happened since, if it is at most ``most_s`` old [s]."""
        kept = self._kept.get(key)
        return kept if kept is not None and now_s - kept.stored.made_at <= most_s else None

    def take_over(
        self, key: Key, stored: StoredSlate, stamp: bytes, version: str, now_s: float, most_s: float
    ) -> list[SlateItem] | None:
        """Return the items of a slate that another process has made, if it is what a new one would be."""
        if stored.stamp != stamp:
            return None
        rows = self._table.rows_of(item[0] for item in stored.items)
        if len(rows) != len(stored.items):
            return None
        kept = _kept(stored, b"", rows, (), None)
        return kept.entries() if self._why_not(kept, key[1].n, version, now_s, most_s) is None else None

    def put(
        self, key: Key, stored: StoredSlate, body: bytes, rows: Sequence[int], barred: frozenset[int] | None = None
    ) -> None:
        """Keep a slate, and what was barred from it, if that is known."""
        if key in self._kept:
            self._drop(key)
        kept = self._kept[key] = _kept(stored, body, rows, owners(key[1]), barred)
        self._kept.move_to_end(key)
        for owner in kept.owners:
            self._of_owner.setdefault(owner, set()).add(key)
        if len(self._kept) > self._most:
            self._drop(next(iter(self._kept)))
            self._count("room")

    def begin(self, key: Key) -> tuple[Flight, bool]:
        """Return the flight of what is asked for, and whether it is new: then the caller has to land it.

        Who comes after the shopper has done something waits for no flight from before.
        """
        flight = self._flights.get(key)
        if flight is not None and not flight.overtaken:
            return flight, False
        flight = self._flights[key] = Flight(asyncio.get_running_loop().create_future(), owners(key[1]))
        return flight, True

    def land(self, key: Key, flight: Flight, result: object) -> None:
        """Give the result to all who wait."""
        self._end(key, flight)
        if not flight.future.done():
            flight.future.set_result(result)

    def crash(self, key: Key, flight: Flight, error: BaseException) -> None:
        """Tell all who wait that it failed."""
        self._end(key, flight)
        if isinstance(error, asyncio.CancelledError):
            flight.future.cancel()
        elif not flight.future.done():
            flight.future.set_exception(error)
            flight.future.exception()  # nobody may wait

    def _end(self, key: Key, flight: Flight) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def heed(self, notices: Iterable[ChangeNotice]) -> None:
        """Take note of what shoppers have done."""
        for notice in notices:
            if notice.view == ERASED:
                for key in notice.keys:
                    self._erase(f"user:{key}", "erased")
                    self._erase(f"session:{key}", "erased")
            elif notice.view == HIDDEN:  # not even for when no slate can be made
                for key in notice.keys:
                    self._erase(f"user:{key}", "hidden")
            elif notice.view in _OF_USER:
                self._outdate("user:", notice.keys)
            elif notice.view == SessionFeatures.view:
                self._outdate("session:", notice.keys)

    def outdate_shoppers(self) -> None:
        """Trust no shopper's slate any more: notices may have been missed."""
        for kept in self._kept.values():
            if kept.owners and kept.current:
                kept.current = False
                self._count("notices_missed")
        for flight in self._flights.values():
            flight.overtaken |= bool(flight.owners)

    def _outdate(self, prefix: str, ids: Iterable[str]) -> None:
        for each in ids:
            owner = prefix + each
            for key in self._of_owner.get(owner, ()):
                kept = self._kept[key]
                if kept.current:
                    kept.current = False
                    self._count("shopper")
            self._overtake(owner)

    def _overtake(self, owner: str) -> None:
        for flight in self._flights.values():
            if owner in flight.owners:
                flight.overtaken = True

    def _erase(self, owner: str, reason: str) -> None:
        for key in list(self._of_owner.get(owner, ())):
            self._drop(key)
            self._count(reason)
        self._overtake(owner)

    def _why_not(self, kept: Kept, n: int, version: str, now_s: float, most_s: float) -> str | None:
        most_s = most_s if len(kept.rows) >= n else min(most_s, SHORT_FOR_S)
        if not 0 <= now_s - kept.stored.made_at <= most_s:
            return "age"
        if kept.stored.version != version:
            return "rules"
        table = self._table
        if not (table.catalogue_us[kept.rows] == kept.catalogue_us).all() or not table.available[kept.rows].all():
            return "item"
        return None

    def _drop(self, key: Key) -> None:
        kept = self._kept.pop(key)
        for owner in kept.owners:
            keys = self._of_owner[owner]
            keys.discard(key)
            if not keys:
                del self._of_owner[owner]


def may_be_kept(request: SlateRequest) -> bool:
    """Tell whether a slate is worth its memory: each key holds the whole question."""
    return len(request.exclude) + len(request.items) <= MOST_IDS


def owners(request: SlateRequest) -> tuple[str, ...]:
    """Return whose deeds change what is asked for; nobody's where no shopper is named."""
    found = []
    if request.user_id is not None:
        found.append(f"user:{request.user_id}")
    if request.session_id is not None:
        found.append(f"session:{request.session_id}")
    return tuple(found)


def _kept(
    stored: StoredSlate,
    body: bytes,
    rows: Sequence[int],
    its_owners: tuple[str, ...],
    barred: frozenset[int] | None,
) -> Kept:
    marks = np.fromiter((item[1] for item in stored.items), np.int64, len(stored.items))
    return Kept(stored, body, np.array(rows, np.intp), marks, its_owners, barred)

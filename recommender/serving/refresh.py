"""Keeps the item table in step with the feature store, by change notices."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from recommender.changes import ChangeNotice, ChangeReader
from recommender.features import FeatureRow, ItemActivity, ItemCatalogue
from recommender.serving.item_table import ItemTable
from recommender.serving.notices import NoticeFollower
from recommender.serving.ports import ItemFeatures

R = TypeVar("R", bound=FeatureRow)
T = TypeVar("T")

ACTIVITY_EVERY_S = 0.5
"""Items that are looked at all the time are read again at most this often."""
SWEEP_EVERY_S = 30.0
"""How often items are looked for that came into the store without a notice, as by a materialization."""
_CHUNK = 100
_APPLIED_AT_ONCE = 25
_COMPARED_AT_ONCE = 2_000
"""Items that are looked for in the table within some hundred microseconds [count]."""
_AT_A_STRETCH = 5_000
"""Items whose catalogue rows are read before anything else has its turn [count]."""
_LATE_S = 1.0
"""After so long what is in demand has its turn, also while catalogue rows change without a pause."""
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)


def nothing(notices: Sequence[ChangeNotice]) -> None:
    """Heed no notices."""


class TableRefresher:
    """Loads the table, then follows the notices: one task reads these, another one the rows that they speak of.

    What can be sold goes before what is in demand, also while everything is being loaded. Rows are read in a thread of
    its own and changed on the event loop. Items that vanish from the store stay in the table as they were: the stream
    never removes an item, so a store without it has lost its data, and what was known is better than nothing.

    Args:
        table: to be kept in step.
        features: where the rows are.
        changes: where the notices are.
        observe_delay: told of each change of an item's catalogue row how long after its notice the table had it [s].
        heed: called on the event loop with all notices as soon as they are read, before any row is.
    """

    def __init__(
        self,
        table: ItemTable,
        features: ItemFeatures,
        changes: ChangeReader,
        observe_delay: Callable[[float], None] = lambda seconds: None,
        heed: Callable[[Sequence[ChangeNotice]], None] = nothing,
    ) -> None:
        self._table = table
        self._features = features
        self._observe_delay = observe_delay
        self._heed = heed
        self._follower = NoticeFollower(changes, self._take, self._miss)
        self._reader = ThreadPoolExecutor(1, "item-table")
        self._woken = asyncio.Event()
        self._catalogue: dict[str, int] = {}
        """Items whose catalogue rows wait to be read, and when the first notice of each came [ms since 1970]."""
        self._activity: dict[str, None] = {}
        self._activity_due = 0.0
        self._sweep_due = 0.0
        self._failures: dict[str, str] = {}
        self._loads = 0
        self._counted = -1
        self.gaps = 0
        """How often notices may have been missed; 1 after the start [count]."""
        self.loaded = False
        """Whether the whole store has been read once."""

    @property
    def followed_at(self) -> float:
        """When notices were last read, as ``time.monotonic()`` tells it; without any they are read anyway."""
        return self._follower.followed_at

    @property
    def failure(self) -> str | None:
        """Why the table does not follow the store at the moment."""
        return next(iter(self._failures.values()), None)

    async def run(self) -> None:
        """Work until cancelled. Whatever fails is logged and tried again."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._again("notices", self._follower.follow))
                group.create_task(self._again("rows", self._refresh))
        finally:
            self._reader.shutdown(wait=False, cancel_futures=True)

    async def _again(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await work()
                failures = 0
                self._failures.pop(what, None)
            except Exception as error:
                self._failures[what] = f"{type(error).__name__}: {error}"
                pause = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                failures += 1
                _log.warning("item table: %s: %s; trying again in %s s", what, self._failures[what], pause)
                await asyncio.sleep(pause)

    def _take(self, notices: Sequence[ChangeNotice]) -> None:
        self._heed(notices)
        for notice in notices:
            if notice.view == ItemCatalogue.view:
                at_ms = int(notice.position.partition("-")[0])
                for key in notice.keys:
                    self._catalogue.setdefault(key, at_ms)
            elif notice.view == ItemActivity.view:
                self._activity.update(dict.fromkeys(notice.keys))
        self._woken.set()

    def _miss(self) -> None:
        self.gaps += 1
        self._woken.set()

    async def _refresh(self) -> None:
        """Do what is most urgent, or wait until something is."""
        self._woken.clear()
        now = time.monotonic()
        if self._loads < self.gaps:
            gaps = self.gaps
            await self._load(await self._in_thread(self._features.item_ids))
            self._loads, self.loaded = gaps, True
            self._sweep_due = time.monotonic() + SWEEP_EVERY_S
            _log.info("item table: %d items loaded", self._table.items)
        elif self._catalogue and not (self._activity and now >= self._activity_due + _LATE_S):
            await self._refresh_catalogue(_AT_A_STRETCH)
        elif self._activity and now >= self._activity_due:
            await self._refresh_activity()
        elif self.loaded and now >= self._sweep_due:
            await self._sweep()
        else:
            due = min(self._activity_due if self._activity else self._sweep_due, self._sweep_due)
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.001, due - now) if self.loaded else None):
                    await self._woken.wait()

    async def _sweep(self) -> None:
        count = await self._in_thread(self._features.item_count)
        if count != self._counted:
            item_ids = await self._in_thread(self._features.item_ids)
            for start in range(0, len(item_ids), _COMPARED_AT_ONCE):
                await self._load(self._table.unloaded(item_ids[start : start + _COMPARED_AT_ONCE]))
                await self._refresh_catalogue(_AT_A_STRETCH)
                await asyncio.sleep(0)
            self._counted = count
        self._sweep_due = time.monotonic() + SWEEP_EVERY_S

    async def _refresh_catalogue(self, most: int) -> None:
        """Read what waits, of each item once, however many notices there were of it."""
        for _ in range(0, most, _CHUNK):
            if not self._catalogue:
                return
            some = dict(_first(self._catalogue.items(), _CHUNK))
            for item_id in some:  # a notice that comes while these are read has them read again
                del self._catalogue[item_id]
            try:
                new = set(self._table.unloaded(some))
                if new:
                    await self._put(sorted(new))
                known = [item_id for item_id in some if item_id not in new]
                for row in await self._read(ItemCatalogue, known):
                    if row is not None:
                        self._table.put_catalogue(row)
            except BaseException:
                self._catalogue = some | self._catalogue
                raise
            now_ms = time.time() * 1000
            for at_ms in some.values():
                self._observe_delay(max(0.0, now_ms - at_ms) / 1000)
            await asyncio.sleep(0)

    async def _refresh_activity(self) -> None:
        started = time.monotonic()
        some = _first(self._activity, _CHUNK)
        for item_id in some:
            del self._activity[item_id]
        try:
            new = set(self._table.unloaded(some))
            await self._load(sorted(new))
            known = [item_id for item_id in some if item_id not in new]
            for place, row in enumerate(await self._read(ItemActivity, known)):
                if row is not None:
                    self._table.put_activity(row)
                if place % _APPLIED_AT_ONCE == 0:
                    await asyncio.sleep(0)
        except BaseException:
            self._activity = dict.fromkeys(some) | self._activity
            raise
        ended = time.monotonic()
        # Half of the time at most, since reading competes with the requests for the interpreter.
        self._activity_due = ended + (ended - started if self._activity else ACTIVITY_EVERY_S)

    async def _load(self, item_ids: Sequence[str]) -> None:
        for start in range(0, len(item_ids), _CHUNK):
            await self._put(item_ids[start : start + _CHUNK])
            await self._refresh_catalogue(_AT_A_STRETCH)

    async def _put(self, item_ids: Sequence[str]) -> None:
        catalogue = await self._read(ItemCatalogue, item_ids)
        activity = await self._read(ItemActivity, item_ids)
        for place, (item_id, what, how) in enumerate(zip(item_ids, catalogue, activity, strict=True)):
            self._table.put(item_id, what, how)
            if place % _APPLIED_AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _read(self, row_type: type[R], item_ids: Sequence[str]) -> list[R | None]:
        return await self._in_thread(lambda: self._features.read(row_type, item_ids)) if item_ids else []

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)


def _first(entries: Iterable[T], most: int) -> list[T]:
    return [entry for entry, _ in zip(entries, range(most), strict=False)]

"""Keeps the item table in step with the feature store, by change notices."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from recommender.changes import ChangeNotice, ChangeReader
from recommender.features import FeatureRow, ItemActivity, ItemCatalogue
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import ItemFeatures

R = TypeVar("R", bound=FeatureRow)
T = TypeVar("T")

ACTIVITY_EVERY_S = 0.5
"""Items that are looked at all the time are read again at most this often."""
SWEEP_EVERY_S = 30.0
"""How often items are looked for that came into the store without a notice, as by a materialization."""
_CHUNK = 100
_APPLIED_AT_ONCE = 25
_WAIT_MS = 1_000
_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)


class TableRefresher:
    """Loads the table, then follows the notices. Reading happens in a thread of its own, changing on the event loop.

    Items that vanish from the store stay in the table as they were: the stream never removes an item, so a store
    without it has lost its data, and what was known is better than nothing.
    """

    def __init__(
        self,
        table: ItemTable,
        features: ItemFeatures,
        changes: ChangeReader,
        observe_delay: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._table = table
        self._features = features
        self._changes = changes
        self._observe_delay = observe_delay
        self._reader = ThreadPoolExecutor(1, "item-table")
        self._position: str | None = None
        self._waiting: dict[str, None] = {}
        self._activity_due = 0.0
        self._sweep_due = 0.0
        self.loaded = False
        """Whether the whole store has been read once."""
        self.failure: str | None = None
        """Why the table does not follow the store at the moment."""

    async def run(self) -> None:
        """Work until cancelled. Whatever fails is logged and tried again."""
        failures = 0
        try:
            while True:
                try:
                    await self._step()
                    failures, self.failure = 0, None
                except Exception as error:
                    self.failure = f"{type(error).__name__}: {error}"
                    pause = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                    failures += 1
                    _log.warning("item table: %s; trying again in %s s", self.failure, pause)
                    await asyncio.sleep(pause)
        finally:
            self._reader.shutdown(wait=False, cancel_futures=True)

    async def _step(self) -> None:
        if self._position is None or not await self._changes.holds(self._position):
            # First the position, then the rows: a change in between is then read twice, but never missed.
            position = await self._changes.last_position()
            await self._load_all()
            self._position = position
            self.loaded = True
            self._sweep_due = time.monotonic() + SWEEP_EVERY_S
            _log.info("item table: %d items loaded", self._table.items)
        while await self._follow(self._position) and time.monotonic() < self._sweep_due:
            pass
        if time.monotonic() >= self._sweep_due:
            await self._load(self._table.unloaded(await self._in_thread(self._features.item_ids)))
            self._sweep_due = time.monotonic() + SWEEP_EVERY_S

    async def _follow(self, position: str) -> bool:
        """Take in what has been noticed; return False when there was nothing to do."""
        left_ms = (self._activity_due - time.monotonic()) * 1000
        wait_ms = max(1, min(_WAIT_MS, int(left_ms))) if self._waiting else _WAIT_MS
        notices = await self._changes.read(position, wait_ms)
        catalogue: dict[str, None] = {}
        for notice in notices:
            if notice.view == ItemCatalogue.view:
                catalogue.update(dict.fromkeys(notice.keys))
            elif notice.view == ItemActivity.view:
                self._waiting.update(dict.fromkeys(notice.keys))
        if catalogue:
            await self._refresh_catalogue(list(catalogue))
            self._observe(notices)
        if notices:
            self._position = notices[-1].position
        if self._waiting and time.monotonic() >= self._activity_due:
            started = time.monotonic()
            await self._refresh_activity(list(self._waiting)[:_CHUNK])
            ended = time.monotonic()
            # Half of the time at most, since reading competes with the requests for the interpreter.
            self._activity_due = ended + (ended - started if self._waiting else ACTIVITY_EVERY_S)
        return bool(notices or self._waiting)

    async def _refresh_catalogue(self, item_ids: Sequence[str]) -> None:
        new = set(self._table.unloaded(item_ids))
        if new:
            await self._load(sorted(new))
        for some in _chunks([item_id for item_id in item_ids if item_id not in new]):
            for row in await self._read(ItemCatalogue, some):
                if row is not None:
                    self._table.put_catalogue(row)
            await asyncio.sleep(0)

    async def _refresh_activity(self, item_ids: Sequence[str]) -> None:
        new = set(self._table.unloaded(item_ids))
        if new:
            await self._load(sorted(new))
        known = [item_id for item_id in item_ids if item_id not in new]
        for place, row in enumerate(await self._read(ItemActivity, known)):
            if row is not None:
                self._table.put_activity(row)
            if place % _APPLIED_AT_ONCE == 0:
                await asyncio.sleep(0)
        for item_id in item_ids:
            self._waiting.pop(item_id, None)

    async def _load_all(self) -> None:
        await self._load(await self._in_thread(self._features.item_ids))

    async def _load(self, item_ids: Sequence[str]) -> None:
        for some in _chunks(item_ids):
            catalogue = await self._read(ItemCatalogue, some)
            activity = await self._read(ItemActivity, some)
            for place, (item_id, what, how) in enumerate(zip(some, catalogue, activity, strict=True)):
                self._table.put(item_id, what, how)
                if place % _APPLIED_AT_ONCE == 0:
                    await asyncio.sleep(0)

    async def _read(self, row_type: type[R], item_ids: Sequence[str]) -> list[R | None]:
        return await self._in_thread(lambda: self._features.read(row_type, item_ids)) if item_ids else []

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._reader, work)

    def _observe(self, notices: Sequence[ChangeNotice]) -> None:
        now_ms = time.time() * 1000
        for notice in notices:
            if notice.view == ItemCatalogue.view:
                self._observe_delay(max(0.0, now_ms - int(notice.position.partition("-")[0])) / 1000)


def _chunks(item_ids: Sequence[str]) -> list[Sequence[str]]:
    return [item_ids[start : start + _CHUNK] for start in range(0, len(item_ids), _CHUNK)]

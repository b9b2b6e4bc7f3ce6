"""Keeps an index of the model's vectors where there are many items."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors

INDEX_FROM = 200_000
"""From so many items on an index is asked; below, asking all of them is as quick and exact [count]."""

_NICE = 10

_log = logging.getLogger(__name__)


class Indexing:
    """Has one index at a time made, beside the event loop; whoever is asked meanwhile looks at all items."""

    def __init__(self, table: ItemTable, index_from: int = INDEX_FROM) -> None:
        self._table = table
        self._index_from = index_from
        self._work: asyncio.Task[None] | None = None
        self._maker = ThreadPoolExecutor(1, "indexing", initializer=_step_back)

    def look(self) -> None:
        """Begin an index if one is needed and none is being made."""
        vectors = self._table.vectors
        if vectors is None or vectors.rows < self._index_from or not vectors.nearby.is_stale():
            return
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._make(vectors))

    async def close(self) -> None:
        """Give up what is being made."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        self._maker.shutdown(wait=False)

    async def _make(self, vectors: ItemVectors) -> None:
        started = time.monotonic()
        given_up = threading.Event()
        try:
            loop = asyncio.get_running_loop()
            put_into_service = await loop.run_in_executor(self._maker, vectors.begin_index(), given_up.is_set)
        finally:
            given_up.set()
        if put_into_service is None:
            return
        put_into_service()
        now = self._table.vectors
        if now is not None and now is not vectors:
            now.take_index_of(vectors)
        _log.info(
            "model %s: %d items indexed in %.0f s", vectors.model.version, vectors.rows, time.monotonic() - started
        )


def _step_back() -> None:
    """Let requests go first on the processor, for the minutes that an index takes; Linux alone can do so by thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

"""Takes a new model into service as soon as the registry points to it."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple, Protocol

from recommender.serving.cells import Cells, cells_for, make_cells
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.ports import ServableModel
from recommender.serving.shared import SharedModels

_LOOK_EVERY_S = 0.5
_FEW_ROWS = 50
"""So many changed rows are described again on the event loop, while it changes to the new model."""
_CATCH_UPS = 20
_NICE = 10

_log = logging.getLogger(__name__)


class Models(Protocol):
    """What serving needs of the model registry; blocking."""

    def current_version(self) -> str | None:
        """Return the version that the pointer names."""

    def signs(self, version: str) -> object:
        """Return another value once the version's files have changed, or any version has been activated."""

    def load(self, version: str) -> ServableModel:
        """Load a version, or raise if it is damaged."""


class Refusal(NamedTuple):
    """A version that the registry points to and that cannot be served."""

    version: str
    reason: str
    at: float
    """Seconds since 1970."""
    signs: object
    """It is tried again once they are others."""


class ModelWatcher:
    """Looks at the pointer twice a second. A model that cannot be loaded leaves the one before in service.

    A model is read and put in order beside the event loop, row by row of the item table; then the loop changes to it
    from one request to the next.

    Args:
        table: the items.
        models: where models are.
        observe_swap: told how long each change to another model took [s].
        shared: holds the models' arrays for several processes; without it this one has them to itself.
    """

    def __init__(
        self,
        table: ItemTable,
        models: Models,
        observe_swap: Callable[[float], None] = lambda seconds: None,
        shared: SharedModels | None = None,
    ) -> None:
        self._table = table
        self._models = models
        self._shared = shared
        self._observe_swap = observe_swap
        self._woken = asyncio.Event()
        self._sorter = ThreadPoolExecutor(1, "cells", initializer=_step_back)
        self.refusal: Refusal | None = None
        """What the registry points to now, if that is refused."""
        self.failures = 0
        """Models that could not be taken into service [count]."""
        self.looked = False
        """Whether the version that was current at the start is in service, or refused."""

    @property
    def serving(self) -> str | None:
        """The version in service."""
        vectors = self._table.vectors
        return vectors.model.version if vectors else None

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            while True:
                self._woken.clear()
                await self.look()
                self.looked = True
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), _LOOK_EVERY_S)
        finally:
            self._sorter.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """Have it look at once: something has been activated."""
        self._woken.set()

    async def look(self) -> None:
        """Take the current version into service, unless it is there already or was refused as it is."""
        started = time.perf_counter()
        version, signs = "", None
        try:
            found = await asyncio.to_thread(self._models.current_version)
            if found is None or found == self.serving:
                self.refusal = None
                return
            version = found
            signs = await asyncio.to_thread(self._models.signs, version)
            if not self._is_refused(version, signs):
                await self._change_to(version)
                self._observe_swap(time.perf_counter() - started)
                _log.info("model %s: in service", version)
        except Exception as error:
            if not self._is_refused(version, signs):
                reason = str(error) or type(error).__name__
                self.refusal = Refusal(version, reason, time.time(), signs)
                self.failures += 1
                _log.error("model %s: not taken into service; %s: %s", version, type(error).__name__, error)

    def _is_refused(self, version: str, signs: object) -> bool:
        return self.refusal is not None and (self.refusal.version, self.refusal.signs) == (version, signs)

    async def _change_to(self, version: str) -> None:
        table = self._table
        content_version = table.content_version
        vectors = await asyncio.to_thread(self._prepare, version)
        for _ in range(_CATCH_UPS):  # where items change by the thousand, the loop must not be kept busy with them
            rows = table.changed_since(content_version)
            if len(rows) <= _FEW_ROWS:
                break
            content_version = table.content_version
            await asyncio.to_thread(vectors.put_rows, rows, table.ids, table.catalogue)
        before = [table.vectors]
        table.adopt(vectors, content_version)
        self.refusal = None
        await asyncio.to_thread(before.clear)  # freeing a large model takes some milliseconds

    def _prepare(self, version: str) -> ItemVectors:
        if self._shared is None:
            model = self._models.load(version)
            cells = self._sorted(model)
        else:
            model, cells = self._shared.load(lambda: self._models.load(version), self._sorted)
        vectors = ItemVectors(model, cells)
        vectors.put_all(self._table.ids, self._table.catalogue)
        return vectors

    def _sorted(self, model: ServableModel) -> Cells:
        count = cells_for(len(model.item_ids))
        return self._sorter.submit(make_cells, model.item_vectors, model.item_biases, count).result()


def _step_back() -> None:
    """Let requests go first on the processor, outside the interpreter; Linux alone can do so by thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)

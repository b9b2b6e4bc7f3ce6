"""Takes a new model into service as soon as the registry points to it."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.ports import ServableModel

_LOOK_EVERY_S = 0.5

_log = logging.getLogger(__name__)


class Models(Protocol):
    """What serving needs of the model registry; blocking."""

    def current_version(self) -> str | None:
        """Return the version that the pointer names."""

    def load(self, version: str) -> ServableModel:
        """Load a version, or raise if it is damaged."""


class ModelWatcher:
    """Looks at the pointer twice a second. A model that cannot be loaded leaves the one before in service."""

    def __init__(self, table: ItemTable, models: Models) -> None:
        self._table = table
        self._models = models
        self._refused: str | None = None
        self.failures = 0
        """Models that could not be taken into service [count]."""

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def look(self) -> None:
        """Take the current version into service unless it is there already, or was refused before."""
        version: str | None = None
        try:
            version = await asyncio.to_thread(self._models.current_version)
            serving = self._table.vectors.model.version if self._table.vectors else None
            if version is None or version in (serving, self._refused):
                return
            catalogue = list(self._table.catalogue)
            ids = self._table.ids[: len(catalogue)]
            vectors = await asyncio.to_thread(self._prepare, version)
            await asyncio.to_thread(vectors.put_all, ids, catalogue)
        except Exception as error:
            self._refused = version
            self.failures += 1
            _log.error("model %s: not taken into service; %s: %s", version, type(error).__name__, error)
            return
        self._table.adopt(vectors, catalogue)
        self._refused = None
        _log.info("model %s: in service", version)

    def _prepare(self, version: str) -> ItemVectors:
        return ItemVectors(self._models.load(version))

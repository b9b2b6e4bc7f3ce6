"""The parts behind the addresses: they come up, and come back, as their neighbours do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import redis
import redis.asyncio

from api.answering import Answering
from api.letterbox import Letterbox
from api.metrics import Metrics
from recommender.changes import ERASED, ChangeNotice, ChangeReader
from recommender.deadletters import RedisDeadLetters
from recommender.eventlog import LogUnavailable, open_event_appender
from recommender.installation import Installation, resolve_redis_url
from recommender.model.artifact import Model
from recommender.model.forgetting import feature_of
from recommender.model.registry import ModelRegistry
from recommender.serving.item_table import ItemTable
from recommender.serving.model_watch import ModelWatcher
from recommender.serving.popular import RENEWED_AFTER_S
from recommender.serving.refresh import TableRefresher
from recommender.serving.shared import SharedModels
from recommender.serving.slate_cache import SlateCache
from recommender.serving.slate_store import SlateStore
from recommender.serving.surfaces.names import NameCheck
from recommender.serving.surfaces.watch import SurfaceWatcher
from recommender.settings import Settings
from recommender.store import FeastFeatures

_OPEN_AGAIN_AFTER_S = 1.0
_LOOK_EVERY_S = 0.1
_PING_S = 1.0
_REPORT_EVERY_S = 2.0
_COLLECT_AFTER = 10_000
"""New objects after which cycles among them are looked for; kept slates are many objects, in no cycles [count]."""
_OPENING = "is being opened"

_log = logging.getLogger(__name__)


class Backend:
    """Holds the connections and the background work of one process."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.table = ItemTable()
        self.appender = open_event_appender(settings)
        url = resolve_redis_url(settings)
        self._redis = redis.asyncio.Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=2.0)
        self._letters_redis = redis.Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=2.0)
        self.letterbox = Letterbox(RedisDeadLetters(self._letters_redis), metrics.letters_lost.inc)
        installation = Installation(settings.data_dir)
        self.clock = time.time
        """[s since 1970 UTC]"""
        self.surfaces = SurfaceWatcher(settings.surfaces or installation.surfaces_path, installation.kept_surfaces_path)
        self._names = NameCheck(self.table)
        self.cache = SlateCache(
            self.table, lambda reason: metrics.cache_invalidations.labels(reason).inc(), settings.cache_slates
        )
        self.slates = SlateStore(self._redis, metrics.cache_lost.inc)
        self.answering = Answering(self.table, self.cache, self.slates, metrics, settings.deadline_ms / 1_000)
        self.models = ModelRegistry(Installation(settings.data_dir).models_dir, serves=True)
        self.models_work = asyncio.Lock()
        shared = SharedModels(installation.shared_dir) if settings.api_workers > 1 else None
        self.watcher = ModelWatcher(self.table, self.models, metrics.model_swap_seconds.observe, shared)
        self._features: FeastFeatures | None = None
        self._refresher: TableRefresher | None = None
        self._opening = _OPENING
        self.listens = not settings.api_process
        """Whether shoppers' requests can reach this process."""
        self._work: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin the background work."""
        work: list[Coroutine[Any, Any, None]] = [
            self._serve_items(),
            self.watcher.run(),
            self.letterbox.run(),
            self._settle(),
            self._renew_popular(),
            self.surfaces.run(),
            self.slates.run(),
            *([self._report()] if self.settings.api_process else []),
        ]
        self._work = [asyncio.create_task(each) for each in work]

    async def close(self) -> None:
        """End the background work and free the connections."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        await self.letterbox.close()
        await self.appender.close()
        await self._redis.aclose()
        self._letters_redis.close()
        if self._features is not None:
            self._features.close()

    @property
    def warm(self) -> bool:
        """Whether all items and the current model are in service, or it is known that they cannot be read now."""
        if self._refresher is None:
            return self._opening != _OPENING
        return self._refresher.failure is not None or (self._refresher.loaded and self.watcher.looked)

    def note_state(self) -> None:
        """Bring the metrics of what is in service up to date."""
        self.metrics.items.set(self.table.items)
        self.metrics.model_failures.set(self.watcher.failures)
        self.metrics.model_refused.set(self.watcher.refusal is not None)
        self.metrics.note_model(self.watcher.serving)
        self.metrics.cache_slates.set(len(self.cache))

    async def _report(self) -> None:
        """Keep the state told where whichever process Prometheus gets to finds it."""
        while True:
            self.note_state()
            await self.problems()
            await asyncio.sleep(_REPORT_EVERY_S)

    async def problems(self) -> list[str]:
        """Return why the service is not ready; nothing when it is."""
        found = [] if self._features is not None else [f"feature store: {self._opening}"]
        if not self.listens:
            found.append("port: this process does not listen on it yet")
        if self._refresher is None or not self._refresher.loaded:
            found.append("item table: is being loaded")
        if self._refresher is not None and self._refresher.failure:
            found.append(f"item table: does not follow the feature store ({self._refresher.failure.partition(':')[0]})")
        try:
            async with asyncio.timeout(_PING_S):
                await self.appender.ping()
        except (LogUnavailable, TimeoutError):
            found.append("event log: does not answer")
        try:
            async with asyncio.timeout(_PING_S):
                await self._ping_store()
        except (redis.RedisError, TimeoutError):
            found.append("feature store: does not answer")
        self.metrics.ready.set(0 if found else 1)
        return found

    def warnings(self) -> list[str]:
        """Return what should be looked at though the service is ready."""
        refused = self.watcher.refusal
        found = [f"model {refused.version}: is current and not in service; {refused.reason}"] if refused else []
        if self.surfaces.problem:
            found.append(f"surfaces: the file is not in service as it is; {self.surfaces.problem}")
        if self._refresher is not None and self._refresher.loaded:
            found += [f"surfaces: {each}" for each in self._names.unknown(self.surfaces.book)]
        return found

    @property
    def redis(self) -> redis.asyncio.Redis:
        """The client of the installation's Redis."""
        return self._redis

    async def _ping_store(self) -> None:
        client: Any = self._redis
        await client.ping()

    async def _serve_items(self) -> None:
        features = self._features = await self._open_features()
        with contextlib.suppress(Exception):
            await features.look_up("-", None)  # the first read builds what all later ones use
        self.answering.features = features
        refresher = self._refresher = TableRefresher(
            self.table,
            features,
            ChangeReader(self._redis),
            self.metrics.change_delay_seconds.observe,
            self._heed,
        )
        self.answering.notices = refresher
        await refresher.run()

    def _heed(self, notices: Sequence[ChangeNotice]) -> None:
        """Drop what is no longer so from what this process holds of shoppers."""
        self.cache.heed(notices)
        self.slates.heed(notices)
        vectors = self.table.vectors
        if vectors is not None and isinstance(vectors.model, Model):
            for notice in notices:
                if notice.view == ERASED:
                    for key in notice.keys:
                        vectors.model.forget_shopper(feature_of(key))

    async def _renew_popular(self) -> None:
        """Have ready what is shown when nothing better can be made in time."""
        while True:
            try:
                self.answering.popular.renew()
            except Exception as error:
                _log.error("items in demand: %s: %s; trying again", type(error).__name__, error)
            await asyncio.sleep(RENEWED_AFTER_S / 2)

    async def _settle(self) -> None:
        """Spare the garbage collector what is there for good: going through it would stop all requests for a while."""
        while self._refresher is None or not self._refresher.loaded:
            await asyncio.sleep(_LOOK_EVERY_S)
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])

    async def _open_features(self) -> FeastFeatures:
        while True:
            try:
                return await asyncio.to_thread(FeastFeatures.open, self.settings)
            except Exception as error:
                self._opening = f"cannot be opened ({type(error).__name__})"
                _log.warning("feature store: %s: %s; trying again", type(error).__name__, error)
                await asyncio.sleep(_OPEN_AGAIN_AFTER_S)

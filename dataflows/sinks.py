"""Where the effects of the feature flow go: the feature store with its change notices, dead letters, and history."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import redis
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_delay, wait_exponential

from dataflows import metrics
from dataflows.sharding import Effects
from recommender.changes import ChangePublisher
from recommender.deadletters import DeadLetter, RedisDeadLetters
from recommender.features import FeatureRow, Interaction
from recommender.history import HistoryWriter
from recommender.installation import Installation, resolve_redis_url
from recommender.settings import Settings
from recommender.store import FeastFeatures

_log = logging.getLogger(__name__)


def _tell_retry(attempt: RetryCallState) -> None:
    # By its kind alone: the text of an error of Redis quotes the command, and with it ids and values.
    error = attempt.outcome.exception() if attempt.outcome else None
    _log.warning("feature store: cannot be written (%s); trying again", type(error).__name__)


_outlive_redis = retry(
    retry=retry_if_exception_type(redis.RedisError),
    wait=wait_exponential(multiplier=0.1, max=2.0),
    stop=stop_after_delay(60),
    before_sleep=_tell_retry,
    reraise=True,
)
"""Redis may be away, loading, read-only or full for a while. Writing again is safe: rows are absolute values. After a
minute the flow gives up and is started anew."""


class _OnlinePartition(StatelessSinkPartition):
    def __init__(self, settings: Settings) -> None:
        client = redis.Redis.from_url(resolve_redis_url(settings), socket_timeout=10.0)
        self._features = FeastFeatures.open(settings)
        self._changes = ChangePublisher(client)
        self._dead_letters = RedisDeadLetters(client)

    def write_batch(self, items: list[Effects]) -> None:
        latest: dict[tuple[str, str], FeatureRow] = {}
        letters: list[DeadLetter] = []
        for effects in items:
            for effect in effects:
                if isinstance(effect, FeatureRow):
                    latest[effect.view, effect.key] = effect
                elif isinstance(effect, DeadLetter):
                    letters.append(effect)
        if latest:
            self._write(list(latest.values()))
        if letters:
            self._bury(letters)

    @_outlive_redis
    def _write(self, rows: list[FeatureRow]) -> None:
        with metrics.WRITE_SECONDS.time():
            self._features.write(rows)
        keys: dict[str, list[str]] = {}
        for row in rows:
            keys.setdefault(row.view, []).append(row.key)
        for view, changed in keys.items():
            metrics.ROWS.labels(view).inc(len(changed))
            self._changes.publish(view, changed)

    @_outlive_redis
    def _bury(self, letters: list[DeadLetter]) -> None:
        self._dead_letters.add(letters)
        metrics.DEAD_LETTERS.inc(len(letters))


class OnlineSink(DynamicSink):
    """Writes the last row of each key to the feature store, then tells of the change; keeps dead letters."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _OnlinePartition:
        """Open the store for one worker."""
        return _OnlinePartition(self._settings)


class _HistoryPartition(StatefulSinkPartition):
    def __init__(self, writer: HistoryWriter) -> None:
        self._writer = writer

    def write_batch(self, values: list[Effects]) -> None:
        for effect in _flat(values):
            if isinstance(effect, FeatureRow):
                self._writer.add_row(effect)
            elif isinstance(effect, Interaction):
                self._writer.add_event(effect)

    def snapshot(self) -> int:
        return self._writer.flush()


class HistorySink(FixedPartitionedSink):
    """Writes every row and every shopper event to the history, each exactly once."""

    def __init__(self, settings: Settings) -> None:
        self._dir = Installation(settings.data_dir).history_dir

    def list_parts(self) -> list[str]:
        """Return the one writer's name."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _HistoryPartition:
        """Open the writer behind the last part that a committed snapshot has covered."""
        return _HistoryPartition(HistoryWriter(self._dir, for_part, resume_state or 0))


def _flat(lists: Iterable[Effects]) -> Iterable[Any]:
    return (effect for effects in lists for effect in effects)

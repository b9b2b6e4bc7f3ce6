"""Where rows, dead letters and change notices leave the feature flow: a writer beside it, and a step that awaits it.

The writer works in a thread of its own, so that the flow computes while Redis stores. What waits is kept by key, the
latest row of each: the longer a write takes, the fewer rows the next one has for the same events.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import cache
from typing import Protocol

import redis
from bytewax.operators import KeyedStream, StatefulBatchLogic, stateful_batch
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_delay, wait_exponential

from dataflows import metrics
from dataflows.effects import Effects, Forgotten
from dataflows.saver import Saver
from recommender.changes import ChangePublisher
from recommender.deadletters import DeadLetter, RedisDeadLetters
from recommender.features import ROW_TYPES, FeatureRow
from recommender.installation import resolve_redis_url
from recommender.settings import Settings
from recommender.store import FeastFeatures

_MOST_WAITING = 4_000
"""Rows that may wait; beyond them the flow does. With more of them the flow would compute first, then wait long at the
end of its epoch, in place of doing both at once."""
_LETTER_WEIGHT = 16
"""How many rows a dead letter counts for, which can be as large as 16 KiB."""

_VIEWS = {
    row_type.entity: [other.view for other in ROW_TYPES if other.entity == row_type.entity] for row_type in ROW_TYPES
}
"""Entity to its views."""

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


class Waiting:
    """What has come since the last write."""

    def __init__(self) -> None:
        self.gone: set[Forgotten] = set()
        """Entity and key of rows that have to go, before others are written."""
        self.rows: dict[tuple[str, str], FeatureRow] = {}
        """By view and key."""
        self.letters: list[DeadLetter] = []

    def __len__(self) -> int:
        """Return how much there is to write, in rows."""
        return len(self.gone) + len(self.rows) + _LETTER_WEIGHT * len(self.letters)

    def take(self, effects: Effects) -> None:
        """Take rows, the later in place of the earlier, and letters.

        A step forgets before it looks at what has come: who comes back just then has a row again.
        """
        rows = self.rows
        for place in effects.forgotten:
            for view in _VIEWS[place.entity]:
                rows.pop((view, place.key), None)
            self.gone.add(place)
        for row in effects.rows:
            rows[row.view, row.key] = row
        self.letters += effects.letters


class Online(Protocol):
    """Takes what the flow makes for those who ask now."""

    def add(self, effects: Effects) -> None:
        """Take effects; wait while too much waits."""

    def complete(self) -> None:
        """Return once all that was taken is readable."""


class OnlineWriter:
    """Writes rows to the feature store, then tells of the change; keeps dead letters. Shared by a process's workers."""

    def __init__(self, settings: Settings) -> None:
        self._redis = redis.Redis.from_url(resolve_redis_url(settings), socket_timeout=10.0)
        self._features = FeastFeatures.open(settings)
        self._changes = ChangePublisher(self._redis)
        self._dead_letters = RedisDeadLetters(self._redis)
        self._waiting = Waiting()
        self._writing = False
        self._failure: Exception | None = None
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="online-writer", daemon=True).start()

    @staticmethod
    @cache
    def of_process(settings: Settings) -> OnlineWriter:
        """Return the one writer of this process."""
        return OnlineWriter(settings)

    def add(self, effects: Effects) -> None:
        """Take effects; wait while too much waits.

        Raises:
            RedisError: the store could not be written for a minute.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < _MOST_WAITING or self._failure)
            self._raise_failure()
            self._waiting.take(effects)
            self._changed.notify_all()

    def complete(self) -> None:
        """Return once all that was taken is readable.

        Raises:
            RedisError: the store could not be written for a minute.
        """
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._writing) or self._failure)
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while True:
                with self._changed:
                    self._writing = False
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._waiting)
                    batch, self._waiting, self._writing = self._waiting, Waiting(), True
                    self._changed.notify_all()
                metrics.WAITING_ROWS.set(len(batch))
                self._write(batch)
                metrics.WAITING_ROWS.set(0)
        except Exception as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()

    def _write(self, batch: Waiting) -> None:
        if batch.gone:
            self._forget(list(batch.gone))
        if batch.rows:
            self._store(list(batch.rows.values()))
        if batch.letters:
            self._bury(batch.letters)

    @_outlive_redis
    def _store(self, rows: list[FeatureRow]) -> None:
        with metrics.WRITE_SECONDS.time():
            self._features.write(rows, distinct=True)
        keys: dict[str, list[str]] = {}
        for row in rows:
            keys.setdefault(row.view, []).append(row.key)
        for view, changed in keys.items():
            metrics.ROWS.labels(view).inc(len(changed))
            self._changes.publish(view, changed)

    @_outlive_redis
    def _forget(self, entities: list[Forgotten]) -> None:
        self._features.forget(entities)

    @_outlive_redis
    def _bury(self, letters: list[DeadLetter]) -> None:
        kept = self._dead_letters.add(letters)
        metrics.DEAD_LETTERS.inc(len(letters))
        metrics.DEAD_LETTERS_KEPT.set(kept.letters)
        metrics.DEAD_LETTERS_BYTES.set(kept.size)
        metrics.DEAD_LETTERS_DROPPED.inc(kept.dropped)


class _StoredLogic(StatefulBatchLogic[Effects, None, int]):
    """Has a snapshot, so that no epoch is complete before its effects are readable and its states durable."""

    def __init__(self, online: Online, saver: Saver) -> None:
        self._online = online
        self._saver = saver

    def on_batch(self, values: list[Effects]) -> tuple[list[None], bool]:
        for effects in values:
            self._online.add(effects)
        return [], StatefulBatchLogic.RETAIN

    def on_eof(self) -> tuple[list[None], bool]:
        self._online.complete()
        return [], StatefulBatchLogic.RETAIN

    def snapshot(self) -> int:
        self._saver.complete()
        self._online.complete()
        return 0


def stored(step_id: str, up: KeyedStream[Effects], open_online: Callable[[], Online], saver: Saver) -> None:
    """Store what comes, without moving it to another worker: the step's keys are those of the steps before it.

    Those steps take their snapshots of an epoch before this one does. For whatever they were given they have to send
    something on, be it empty, so that this step has a snapshot of that epoch too, and waits for their saves.
    """
    stateful_batch(step_id, up, lambda _resumed: _StoredLogic(open_online(), saver))

"""The event log as a Bytewax source, one part for each partition."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypeVar

import tenacity
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows import metrics
from recommender.eventlog import (
    EventLog,
    LogEntry,
    LogPositionLost,
    LogUnavailable,
    Partition,
    Progress,
    open_event_log,
)
from recommender.eventlog.belonging import require_same_log
from recommender.settings import Settings

CONSUMER = "features"
BATCH = 2_000
"""Entries read from a partition at once. Under load, larger batches make fewer rows: one of each item and batch."""
_POLL = timedelta(milliseconds=20)
_RETRY = timedelta(seconds=1)
_GIVE_UP_AFTER_S = 60.0
_COMPLETE_AFTER = 2
"""Snapshots after which the effects of a position are surely written."""
_TRIM_EVERY = 300
"""Snapshots from one trimming of the log to the next."""

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """An entry, and where it was read."""

    partition: Partition
    entry: LogEntry
    number: int
    """How many entries of the partition come before."""


class _PartitionSource(StatefulSourcePartition):
    def __init__(
        self,
        log: EventLog,
        partition: Partition,
        start: Progress,
        settings: Settings,
        *,
        endless: bool,
        on_close: Callable[[], None],
    ) -> None:
        self._log = log
        self._on_close = on_close
        self._partition = partition
        self._progress = start
        self._endless = endless
        self._retention_us = int(settings.retention_hours * 3_600_000_000)
        self._snapshots: deque[Progress] = deque()
        self._since_trim = 0
        self._awake = datetime.now(UTC)
        self._behind = metrics.BEHIND_SECONDS.labels(partition.name)

    def next_batch(self) -> list[list[Arrival]]:
        try:
            entries = self._log.read(self._partition, self._progress.position, BATCH)
            first = self._progress.entries
            self._progress = self._log.progress(self._partition, self._progress, entries)
            at_end = not entries and not self._endless and self._has_read_all()
        except LogUnavailable as error:
            _log.warning("%s: %s; trying again", self._partition.name, error)
            self._awake = datetime.now(UTC) + _RETRY
            return []
        except LogPositionLost as error:
            _log.error("%s", error)  # Bytewax tells it too, among much else
            raise
        if at_end:
            raise StopIteration
        if not entries:
            self._behind.set(0.0)
            self._awake = datetime.now(UTC) + _POLL
            return []
        self._awake = datetime.now(UTC)
        self._behind.set(max(0.0, self._awake.timestamp() - entries[-1].ingested_us / 1e6))
        return [[Arrival(self._partition, entry, number) for number, entry in enumerate(entries, first)]]

    def next_awake(self) -> datetime:
        return self._awake

    def snapshot(self) -> tuple[str, int]:
        self._snapshots.append(self._progress)
        if len(self._snapshots) > _COMPLETE_AFTER:
            self._commit(self._snapshots.popleft())
        return self._progress.position, self._progress.entries

    def close(self) -> None:
        self._commit(self._progress)
        self._on_close()

    def _has_read_all(self) -> bool:
        return self._progress.entries >= self._log.ends()[self._partition]

    def _commit(self, complete: Progress) -> None:
        self._since_trim += 1
        try:
            if complete.position:
                self._log.commit(CONSUMER, self._partition, complete)
            if self._since_trim >= _TRIM_EVERY and self._partition.number == 0:
                self._log.trim(self._retention_us, [CONSUMER])
                self._since_trim = 0
        except LogUnavailable as error:
            _log.warning("%s: %s; the next snapshot notes progress", self._partition.name, error)


class EventLogSource(FixedPartitionedSource):
    """Reads every partition of the log from where the last committed snapshot stands.

    Args:
        settings: where the log is.
        endless: wait for more at the end of the log; otherwise the flow ends there.
        prepare: called before anything is read, for what takes long to open.

    Raises:
        OtherEventLog: the data folder has read another log so far.
    """

    def __init__(self, settings: Settings, *, endless: bool, prepare: Callable[[], object] | None = None) -> None:
        self._settings = settings
        self._prepare = prepare
        self._endless = endless
        self._log = open_event_log(settings)
        partitions = _patiently(self._log.partitions)
        require_same_log(settings, partitions, _patiently(self._log.identity))
        self._partitions = {partition.name: partition for partition in partitions}
        self._open = 0
        self._lock = threading.Lock()

    def list_parts(self) -> list[str]:
        """Return the names of the partitions."""
        return list(self._partitions)

    def build_part(self, step_id: str, for_part: str, resume_state: tuple[str, int] | None) -> _PartitionSource:
        """Open a partition behind the last entry that a committed snapshot has covered."""
        if self._prepare is not None:
            self._prepare()
        partition = self._partitions[for_part]
        position = resume_state[0] if resume_state else ""
        # Counted anew, since what the log and the snapshot count from may differ after either was lost.
        start = Progress(position, _patiently(lambda: self._log.passed(partition, position)))
        with self._lock:
            self._open += 1
        return _PartitionSource(
            self._log, partition, start, self._settings, endless=self._endless, on_close=self._note_closed
        )

    def _note_closed(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open == 0:
                self._log.close()


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask the log, which may come up only after the flow."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(LogUnavailable),
        wait=tenacity.wait_fixed(_RETRY.total_seconds()),
        stop=tenacity.stop_after_delay(_GIVE_UP_AFTER_S),
        before_sleep=tenacity.before_sleep_log(_log, logging.WARNING),
        reraise=True,
    )(ask)

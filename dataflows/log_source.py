"""The event log as a Bytewax source, one part for each partition."""

from __future__ import annotations

import logging
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import redis
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows import metrics
from recommender.eventlog import EventLog, LogEntry, Partition, Progress, open_event_log
from recommender.settings import Settings

CONSUMER = "features"
_BATCH = 500
_POLL = timedelta(milliseconds=20)
_RETRY = timedelta(seconds=1)
_COMPLETE_AFTER = 2
"""Snapshots after which the effects of a position are surely written."""
_TRIM_EVERY = 300
"""Snapshots from one trimming of the log to the next."""

_log = logging.getLogger(__name__)


class Arrival(NamedTuple):
    """An entry, and where it was read."""

    partition: Partition
    entry: LogEntry
    number: int
    """How many entries of the partition come before."""


class _PartitionSource(StatefulSourcePartition):
    def __init__(
        self, log: EventLog, partition: Partition, start: Progress, settings: Settings, *, endless: bool
    ) -> None:
        self._log = log
        self._partition = partition
        self._progress = start
        self._endless = endless
        self._retention_us = int(settings.retention_hours * 3_600_000_000)
        self._snapshots: deque[Progress] = deque()
        self._committed = Progress("", 0)
        self._since_trim = 0
        self._awake = datetime.now(UTC)
        self._behind = metrics.BEHIND_SECONDS.labels(partition.name)

    def next_batch(self) -> list[list[Arrival]]:
        try:
            entries = self._log.read(self._partition, self._progress.position, _BATCH)
        except redis.RedisError as error:
            _log.warning("event log: %s does not answer (%s); trying again", self._partition.name, type(error).__name__)
            self._awake = datetime.now(UTC) + _RETRY
            return []
        if not entries:
            if not self._endless:
                raise StopIteration
            self._behind.set(0.0)
            self._awake = datetime.now(UTC) + _POLL
            return []
        first = self._progress.entries
        self._progress = Progress(entries[-1].position, first + len(entries))
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

    def _commit(self, complete: Progress) -> None:
        self._since_trim += 1
        try:
            if complete != self._committed and complete.position:
                self._log.commit(CONSUMER, self._partition, complete)
                self._committed = complete
            if self._since_trim >= _TRIM_EVERY and self._partition.number == 0:
                self._log.trim(self._retention_us, [CONSUMER])
                self._since_trim = 0
        except redis.RedisError:
            _log.warning("event log: progress of %s not noted; the next snapshot will", self._partition.name)


class EventLogSource(FixedPartitionedSource):
    """Reads every partition of the log from where the last committed snapshot stands.

    Args:
        settings: where the log is.
        endless: wait for more at the end of the log; otherwise the flow ends there.
    """

    def __init__(self, settings: Settings, *, endless: bool) -> None:
        self._settings = settings
        self._endless = endless
        self._partitions = {partition.name: partition for partition in open_event_log(settings).partitions()}

    def list_parts(self) -> list[str]:
        """Return the names of the partitions."""
        return list(self._partitions)

    def build_part(self, step_id: str, for_part: str, resume_state: tuple[str, int] | None) -> _PartitionSource:
        """Open a partition behind the last entry that a committed snapshot has covered."""
        log = open_event_log(self._settings)
        position = resume_state[0] if resume_state else ""
        # Counted anew, since what the log and the snapshot count from may differ after either was lost.
        start = Progress(position, log.passed(self._partitions[for_part], position))
        return _PartitionSource(log, self._partitions[for_part], start, self._settings, endless=self._endless)

"""Reads the event log for the learner, which may lose its place: it samples."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Collection, Iterator, Mapping
from operator import attrgetter

from recommender.eventlog import EventLog, LogEntry, LogPositionLost, LogUnavailable, Partition, Progress
from recommender.learning import metrics

CONSUMER = "learner"
_MOST = 250
"""Entries read from a partition at once."""

_log = logging.getLogger(__name__)


class LogReader:
    """Reads all partitions in turn, in the order in which entries have come.

    Args:
        log: the event log.
        positions: partition name to the position to go on from; the others are read from ``tail`` entries before the
            end on.
        tail: entries of each topic, divided among its partitions.
    """

    def __init__(self, log: EventLog, positions: Mapping[str, str], tail: int) -> None:
        self._log = log
        self._progress: dict[Partition, Progress] = {}
        partitions = log.partitions()
        for partition in partitions:
            position = positions.get(partition.name)
            if position is None:
                position = log.back(partition, "", _share(tail, partition, partitions))
            self._progress[partition] = Progress(position, log.passed(partition, position))

    @property
    def positions(self) -> dict[str, str]:
        """Partition name to the position of the last entry read."""
        return {partition.name: progress.position for partition, progress in self._progress.items()}

    @property
    def entries(self) -> int:
        """How many entries of the log are behind it [count]."""
        return sum(progress.entries for progress in self._progress.values())

    def read(self) -> list[LogEntry]:
        """Return the next entries, without waiting.

        Raises:
            LogUnavailable: the log does not answer.
        """
        batches = [self._read(partition) for partition in self._progress]
        return list(heapq.merge(*batches, key=attrgetter("ingested_us")))

    def before(self, tail: int) -> Iterator[LogEntry]:
        """Yield up to ``tail`` entries of each topic that lead to where reading stands, in the order of their coming.

        Raises:
            LogUnavailable: the log does not answer.
        """
        leads = (
            self._lead(partition, progress, _share(tail, partition, self._progress))
            for partition, progress in self._progress.items()
        )
        yield from heapq.merge(*leads, key=attrgetter("ingested_us"))

    def commit(self) -> None:
        """Note how far it has come, for whoever looks."""
        for partition, progress in self._progress.items():
            if progress.position:
                try:
                    self._log.commit(CONSUMER, partition, progress)
                except LogUnavailable as error:
                    _log.warning("%s: %s; progress is noted later", partition.name, error)

    def _read(self, partition: Partition) -> list[LogEntry]:
        before = self._progress[partition]
        try:
            entries = self._log.read(partition, before.position, _MOST)
        except LogPositionLost as error:
            _log.warning("%s; learning goes on with the oldest one there is", error)
            metrics.LOST.inc()
            self._progress[partition] = Progress("", self._log.passed(partition, ""))
            return []
        self._progress[partition] = self._log.progress(partition, before, entries)
        return entries

    def _lead(self, partition: Partition, until: Progress, most: int) -> Iterator[LogEntry]:
        if not until.position:
            return
        position = self._log.back(partition, until.position, most)
        while True:
            try:
                entries = self._log.read(partition, position, _MOST)
            except LogPositionLost:
                return
            for entry in entries:
                yield entry
                most -= 1
                if entry.position == until.position or not most:
                    return
            if not entries:
                return
            position = entries[-1].position


def _share(tail: int, partition: Partition, partitions: Collection[Partition]) -> int:
    """Return a partition's share of so many entries of its topic."""
    return max(1, tail // sum(other.topic == partition.topic for other in partitions))

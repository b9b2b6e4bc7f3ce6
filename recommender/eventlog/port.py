"""The event log port: where accepted events wait, in order, until the stream has read them.

Two topics: ``shopper`` (keyed by user, or by session while anonymous) and ``catalogue`` (keyed by item). Events of
one key keep their order; a topic is split into partitions by key.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from recommender.events import AnyEvent, CatalogueEvent, encode_event

SHOPPER = "shopper"
CATALOGUE = "catalogue"
TOPICS = (SHOPPER, CATALOGUE)


class LogUnavailable(ConnectionError):
    """The event log does not answer, so nothing can be accepted."""


class LogRecord(NamedTuple):
    """An event on its way into the log."""

    topic: str
    key: str
    payload: bytes


class LogEntry(NamedTuple):
    """An event as the log holds it."""

    position: str
    """Where it stands in its partition; positions are compared by the adapter alone."""
    ingested_us: int
    payload: bytes


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int

    @property
    def name(self) -> str:
        """A stable name, such as ``shopper-0``."""
        return f"{self.topic}-{self.number}"


class Progress(NamedTuple):
    """How far a consumer has come in a partition."""

    position: str
    """The last entry whose effects are complete; empty before the first."""
    entries: int
    """How many entries that makes, from the partition's beginning [count]."""


class EventAppender(Protocol):
    """What the API needs of the log."""

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Append records, all or none; return once the log holds them.

        Raises:
            LogUnavailable: the log does not answer; nothing is known to be held.
        """

    async def ping(self) -> None:
        """Return once the log has answered.

        Raises:
            LogUnavailable: it does not answer.
        """

    async def close(self) -> None:
        """Free the connection."""


class EventLog(Protocol):
    """What the stream and the commands need of the log."""

    def append(self, records: Sequence[LogRecord]) -> None:
        """Append records, all or none; return once the log holds them.

        Raises:
            LogUnavailable: the log does not answer.
        """

    def partitions(self) -> list[Partition]:
        """Return all partitions of all topics."""

    def read(self, partition: Partition, after: str, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries behind position ``after`` (empty: from the beginning), without waiting."""

    def passed(self, partition: Partition, position: str) -> int:
        """Return how many of the entries that the partition ever got are not behind a position [count]."""

    def commit(self, consumer: str, partition: Partition, progress: Progress) -> None:
        """Note how far a consumer has come."""

    def ends(self) -> dict[Partition, int]:
        """Return how many entries each partition ever got; those that were dropped since count too [count]."""

    def lag(self, consumer: str, until: Mapping[Partition, int] | None = None) -> int:
        """Return how many entries the consumer has not yet completed [count].

        Args:
            consumer: whose progress.
            until: an earlier answer of ``ends``, to leave out what was appended since.
        """

    def trim(self, retention_us: int, consumers: Sequence[str]) -> int:
        """Drop entries older than the retention which all consumers have completed; return how many."""

    def close(self) -> None:
        """Free the connection."""


def record_of(event: AnyEvent) -> LogRecord:
    """Return the record that carries an event."""
    topic = CATALOGUE if isinstance(event, CatalogueEvent) else SHOPPER
    return LogRecord(topic, event.partition_key, encode_event(event))


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8 bytes, modulo the number of partitions."""
    return zlib.crc32(key.encode()) % partitions

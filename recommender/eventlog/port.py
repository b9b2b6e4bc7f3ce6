"""The event log port: where accepted events wait, in order, until the stream has read them.

Two topics: ``shopper`` (keyed by user, or by session while anonymous) and ``catalogue`` (keyed by item). Events of
one key keep their order; a topic is split into partitions by key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from recommender.events import AnyEvent, CatalogueEvent, encode_event

SHOPPER = "shopper"
CATALOGUE = "catalogue"
TOPICS = (SHOPPER, CATALOGUE)


class LogUnavailable(ConnectionError):
    """The event log does not answer, so nothing can be accepted."""


class LogPositionLost(RuntimeError):
    """The event log no longer has the entries behind a position; trying again does not bring them back."""


class UnsupportedEventLog(ValueError):
    """No adapter exists for the address of the event log, or the address breaks its adapter's rules."""


class LogRecord(NamedTuple):
    """An event on its way into the log."""

    topic: str
    key: str
    payload: bytes
    partition: int | None = None
    """Where it has to go, whatever its key."""


class LogEntry(NamedTuple):
    """An event as the log holds it."""

    position: str
    """Where it stands in its partition; positions are compared by the adapter alone."""
    ingested_us: int
    payload: bytes
    problem: str = ""
    """Why the payload is not to be read as an event, whatever it holds."""


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


SCHEMA_VERSION = 1
"""Of the payloads: JSON objects as docs/events.md describes them."""


class EventAppender(Protocol):
    """What the API needs of the log."""

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Append records; return once the log holds them all.

        Raises:
            LogUnavailable: the log does not answer. It may hold none of them, some or all; appended again they are the
                same events by their ids, which the stream takes once.
        """

    async def ping(self) -> None:
        """Return once the log has answered.

        Raises:
            LogUnavailable: it does not answer.
        """

    async def close(self) -> None:
        """Free the connection."""


class EventLog(Protocol):
    """What the stream and the commands need of the log.

    Every method but ``close`` raises `LogUnavailable` while the log does not answer: later it may.
    """

    def append(self, records: Sequence[LogRecord]) -> None:
        """Append records; return once the log holds them all. As ``EventAppender.append``."""

    def partitions(self) -> list[Partition]:
        """Return all partitions of all topics."""

    def read(self, partition: Partition, after: str, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries behind position ``after`` (empty: from the beginning), without waiting.

        An empty answer means that nothing has come here yet. What the log held when the partition was first read, and
        what this object has appended itself, is never left out; whether there is more, ``ends`` tells.

        Raises:
            LogPositionLost: the log has dropped entries behind that position.
        """

    def progress(self, partition: Partition, before: Progress, entries: Sequence[LogEntry]) -> Progress:
        """Return how far one has come who was at ``before`` and has now read these entries, if any, behind it."""

    def back(self, partition: Partition, position: str, most: int) -> str:
        """Return the position from which up to ``most`` entries lead to another one (empty: to the end).

        It is empty where the log does not hold that many. What an adapter cannot see, such as marks of transactions,
        may count too.
        """

    def passed(self, partition: Partition, position: str) -> int:
        """Return how many of the entries that the partition ever got are not behind a position [count]."""

    def identity(self) -> str:
        """Return what tells this log from one made anew in its place, whose positions mean other entries.

        Empty where positions never come again.
        """

    def commit(self, consumer: str, partition: Partition, progress: Progress) -> None:
        """Note how far a consumer has come; costs nothing when that is noted already.

        The log may do it in the background. `LogUnavailable` can therefore be about an earlier call, and tells that
        the same is to be noted again.
        """

    def ends(self) -> dict[Partition, int]:
        """Return how many entries each partition ever got; those that were dropped since count too [count]."""

    def lag(self, consumer: str, until: Mapping[Partition, int] | None = None) -> int:
        """Return how many entries the consumer has not yet completed [count].

        Args:
            consumer: whose progress.
            until: an earlier answer of ``ends``, to leave out what was appended since.
        """

    def trim(self, retention_us: int, consumers: Sequence[str]) -> int:
        """Drop entries older than the retention which all consumers have completed; return how many.

        A log that drops entries by rules of its own does nothing here and returns 0.
        """

    def remove(self, partition: Partition, positions: Sequence[str]) -> bool:
        """Remove single entries, which all who read the log have read; return False where the log cannot do that."""

    def close(self) -> None:
        """Free the connection."""


def record_of(event: AnyEvent) -> LogRecord:
    """Return the record that carries an event."""
    topic = CATALOGUE if isinstance(event, CatalogueEvent) else SHOPPER
    return LogRecord(topic, event.partition_key, encode_event(event))

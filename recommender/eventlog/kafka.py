"""The event log on Kafka: a topic for each topic of the log, offsets as positions, committed offsets as progress."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from recommender.eventlog.kafka_client import KafkaConnection
from recommender.eventlog.kafka_group import GroupOffsets
from recommender.eventlog.kafka_reader import PartitionReader
from recommender.eventlog.kafka_sender import Delivery, Sender
from recommender.eventlog.port import TOPICS, LogEntry, LogRecord, LogUnavailable, Partition, Progress
from recommender.settings import Settings

_SENT_AT_ONCE = 5_000
_OLDEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
_END: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]


class KafkaEventAppender:
    """The appending side, for asyncio."""

    def __init__(self, settings: Settings) -> None:
        self._connection = KafkaConnection(settings)
        self._sender = Sender(self._connection)
        self._has_topics = False

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Send records; return once the cluster has confirmed each of them."""
        if not records:
            return
        if not self._has_topics:
            await asyncio.to_thread(self._connection.ensure_topics)
            self._has_topics = True
        loop = asyncio.get_running_loop()
        delivered: asyncio.Future[Delivery] = loop.create_future()

        def settle(delivery: Delivery) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, delivered, delivery)

        self._sender.send(records, settle)
        delivery = await delivered
        if delivery.error is not None:
            raise self._sender.failure(delivery.error)

    async def ping(self) -> None:
        """Return once the cluster has answered."""
        await asyncio.to_thread(self._connection.ping)

    async def close(self) -> None:
        """Free the connection."""
        await asyncio.to_thread(self._sender.close)


def _tell(delivered: asyncio.Future[Delivery], delivery: Delivery) -> None:
    if not delivered.done():  # whoever waited may have been cancelled
        delivered.set_result(delivery)


class KafkaEventLog:
    """The whole log, blocking. Threads may share it, as long as each partition is read by one of them."""

    def __init__(self, settings: Settings) -> None:
        self._connection = KafkaConnection(settings)
        self._sender = Sender(self._connection)
        self._readers: dict[Partition, PartitionReader] = {}
        self._groups: dict[str, GroupOffsets] = {}
        self._lock = threading.Lock()

    def append(self, records: Sequence[LogRecord]) -> None:
        """Send records; return once the cluster has confirmed each of them."""
        self._connection.ensure_topics()
        for start in range(0, len(records), _SENT_AT_ONCE):
            self._append_some(records[start : start + _SENT_AT_ONCE])

    def partitions(self) -> list[Partition]:
        """Return all partitions of all topics, as many as Kafka has now."""
        counts = self._connection.partitions()
        return [Partition(topic, number) for topic in TOPICS for number in range(counts[topic])]

    def read(self, partition: Partition, after: str, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries behind an offset."""
        reader = self._readers.get(partition)
        if reader is None:
            self._connection.ensure_topics()
            reader = PartitionReader(self._connection, self._connection.topic(partition.topic), partition.number)
            self._readers[partition] = reader
        return reader.read(int(after) + 1 if after else None, most)

    def progress(self, partition: Partition, before: Progress, entries: Sequence[LogEntry]) -> Progress:
        """Return how far a reader has come; what Kafka skips by itself, such as marks of transactions, counts too."""
        reader = self._readers.get(partition)
        if reader is None:
            return before
        passed = reader.passed_with(int(entries[-1].position)) if entries else reader.passed
        return Progress(str(passed - 1), passed) if passed > before.entries else before

    def back(self, partition: Partition, position: str, most: int) -> str:
        """Return the offset from which up to ``most`` offsets lead to a position."""
        last = int(position) if position else self._offsets([partition], _END)[partition] - 1
        first = last - most
        return str(first) if first >= self._offsets([partition], _OLDEST)[partition] else ""

    def passed(self, partition: Partition, position: str) -> int:
        """Return how many offsets are not behind a position; at the beginning, those of expired entries."""
        if position:
            return int(position) + 1
        return self._offsets([partition], _OLDEST)[partition]

    def identity(self) -> str:
        """Return the ids that Kafka has given the topics; a topic made anew has another, and offsets from 0."""
        return " ".join(f"{topic}={found}" for topic, found in sorted(self._connection.topic_ids().items()))

    def commit(self, consumer: str, partition: Partition, progress: Progress) -> None:
        """Commit the consumer's offset in its group, where Kafka's own tools find it; in the background."""
        self._group(consumer).commit(self._key(partition), int(progress.position) + 1)

    def ends(self) -> dict[Partition, int]:
        """Return the offset behind each partition's last entry."""
        return self._offsets(self.partitions(), _END)

    def lag(self, consumer: str, until: Mapping[Partition, int] | None = None) -> int:
        """Return how many offsets the consumer has not yet completed."""
        ends = self.ends() if until is None else until
        if not ends:
            return 0
        committed = self._group(consumer).committed([self._key(partition) for partition in ends])
        done = {partition: committed[key] for partition in ends if (key := self._key(partition)) in committed}
        done |= self._offsets([partition for partition in ends if partition not in done], _OLDEST)
        return sum(max(0, end - done[partition]) for partition, end in ends.items())

    def trim(self, retention_us: int, consumers: Sequence[str]) -> int:
        """Do nothing: Kafka drops entries by the topics' own ``retention.ms``, whether they were read or not."""
        return 0

    def remove(self, partition: Partition, positions: Sequence[str]) -> bool:
        """Do nothing and say so: Kafka drops entries by the topics' own ``retention.ms`` alone."""
        return False

    def close(self) -> None:
        """Free the connections."""
        self._sender.close()
        for reader in self._readers.values():
            reader.close()
        for group in self._groups.values():
            group.close()
        self._readers.clear()
        self._groups.clear()

    def _append_some(self, records: Sequence[LogRecord]) -> None:
        settled = threading.Event()
        outcome: list[Delivery] = []

        def settle(delivery: Delivery) -> None:
            outcome.append(delivery)
            settled.set()

        self._sender.send(records, settle)
        # The delivery's own limit comes first; this one is for a client that has lost its thread.
        if not settled.wait(self._connection.timeout_s + 60.0):
            raise LogUnavailable("event log: Kafka has not confirmed events")
        (delivery,) = outcome
        if delivery.error is not None:
            raise self._sender.failure(delivery.error)
        for partition, reader in self._readers.items():
            end = delivery.ends.get((self._connection.topic(partition.topic), partition.number))
            if end is not None:
                reader.note_end(end)

    def _offsets(self, partitions: Sequence[Partition], which: Any) -> dict[Partition, int]:
        if not partitions:
            return {}
        places = {self._key(partition): partition for partition in partitions}
        asked = {TopicPartition(*place): which for place in places}

        def ask() -> dict[Partition, int]:
            answers = self._connection.admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=self._connection.timeout_s
            )
            return {places[place.topic, place.partition]: found.result().offset for place, found in answers.items()}

        return self._connection.ask(ask)

    def _group(self, consumer: str) -> GroupOffsets:
        with self._lock:
            group = self._groups.get(consumer)
            if group is None:
                group = self._groups[consumer] = GroupOffsets(self._connection, self._connection.group(consumer))
            return group

    def _key(self, partition: Partition) -> tuple[str, int]:
        return self._connection.topic(partition.topic), partition.number

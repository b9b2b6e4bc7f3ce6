"""The event log on Redis Streams: one stream for each partition, and beside it how many entries it ever got."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import redis
import redis.asyncio

from recommender.eventlog.port import (
    TOPICS,
    LogEntry,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
    partition_of,
)

_FIELD = b"event"
_COUNTED_AT_ONCE = 10_000


def _stream(partition: Partition) -> str:
    return f"liveshelf:{{{partition.name}}}:log"


def _appended(partition: Partition) -> str:
    return f"liveshelf:{{{partition.name}}}:appended"


def _progress(consumer: str) -> str:
    return f"liveshelf:progress:{consumer}"


def _fill(pipeline: Any, records: Sequence[LogRecord], partitions: int) -> None:
    counts: dict[Partition, int] = {}
    for record in records:
        partition = Partition(record.topic, partition_of(record.key, partitions))
        pipeline.xadd(_stream(partition), {_FIELD: record.payload})
        counts[partition] = counts.get(partition, 0) + 1
    for partition, count in counts.items():
        pipeline.incrby(_appended(partition), count)


class RedisEventAppender:
    """The appending side, for asyncio."""

    def __init__(self, url: str, partitions: int) -> None:
        self._redis: Any = redis.asyncio.Redis.from_url(url, socket_timeout=5.0, socket_connect_timeout=2.0)
        self._partitions = partitions

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Append records in one transaction."""
        try:
            async with self._redis.pipeline(transaction=True) as pipeline:
                _fill(pipeline, records, self._partitions)
                await pipeline.execute()
        except redis.RedisError as error:  # also: out of memory, read only, still loading
            raise LogUnavailable(f"event log: Redis does not accept events ({type(error).__name__})") from error

    async def ping(self) -> None:
        """Return once Redis has answered."""
        try:
            await self._redis.ping()
        except redis.RedisError as error:
            raise LogUnavailable(f"event log: Redis does not answer ({type(error).__name__})") from error

    async def close(self) -> None:
        """Free the connection."""
        await self._redis.aclose()


class RedisEventLog:
    """The whole log, blocking."""

    def __init__(self, url: str, partitions: int) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=10.0, socket_connect_timeout=5.0)
        self._partitions = partitions

    def append(self, records: Sequence[LogRecord]) -> None:
        """Append records in one transaction."""
        try:
            with self._redis.pipeline(transaction=True) as pipeline:
                _fill(pipeline, records, self._partitions)
                pipeline.execute()
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise LogUnavailable(f"event log: Redis does not answer ({type(error).__name__})") from error

    def partitions(self) -> list[Partition]:
        """Return all partitions of all topics."""
        return [Partition(topic, number) for topic in TOPICS for number in range(self._partitions)]

    def read(self, partition: Partition, after: str, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries behind a position."""
        start = f"({after}" if after else "-"
        entries = self._redis.xrange(_stream(partition), min=start, count=most)
        return [
            LogEntry(entry_id.decode(), int(entry_id.partition(b"-")[0]) * 1000, fields.get(_FIELD, b""))
            for entry_id, fields in entries
        ]

    def passed(self, partition: Partition, position: str) -> int:
        """Return how many of the entries that the partition ever got are not behind a position."""
        behind = 0
        if not position:
            behind = self._redis.xlen(_stream(partition))
        while position and (some := self.read(partition, position, _COUNTED_AT_ONCE)):
            behind += len(some)
            position = some[-1].position
        return max(0, int(self._redis.get(_appended(partition)) or 0) - behind)

    def commit(self, consumer: str, partition: Partition, progress: Progress) -> None:
        """Note how far a consumer has come."""
        self._redis.hset(_progress(consumer), partition.name, f"{progress.position} {progress.entries}")

    def ends(self) -> dict[Partition, int]:
        """Return how many entries each partition ever got."""
        partitions = self.partitions()
        with self._redis.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                pipeline.get(_appended(partition))
            counts = pipeline.execute()
        return {partition: int(count or 0) for partition, count in zip(partitions, counts, strict=True)}

    def lag(self, consumer: str, until: Mapping[Partition, int] | None = None) -> int:
        """Return how many entries the consumer has not yet completed."""
        ends = self.ends() if until is None else until
        done = self._redis.hgetall(_progress(consumer))
        return sum(max(0, end - _parse(done.get(partition.name.encode())).entries) for partition, end in ends.items())

    def trim(self, retention_us: int, consumers: Sequence[str]) -> int:
        """Drop old entries which all consumers have completed."""
        oldest_ms = int(time.time() * 1000) - retention_us // 1000
        progress = [self._redis.hgetall(_progress(consumer)) for consumer in consumers]
        dropped = 0
        for partition in self.partitions():
            positions = [_parse(done.get(partition.name.encode())).position for done in progress]
            if not positions or not all(positions):
                continue
            keep_from = min((oldest_ms, 0), *(_order(position) for position in positions))
            dropped += self._redis.xtrim(_stream(partition), minid=f"{keep_from[0]}-{keep_from[1]}", approximate=False)
        return dropped

    def close(self) -> None:
        """Free the connection."""
        self._redis.close()


def _parse(text: bytes | None) -> Progress:
    if not text:
        return Progress("", 0)
    position, _, entries = text.decode().rpartition(" ")
    return Progress(position, int(entries))


def _order(position: str) -> tuple[int, int]:
    milliseconds, _, sequence = position.partition("-")
    return int(milliseconds), int(sequence or 0)

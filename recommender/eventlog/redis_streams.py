"""The event log on Redis Streams: one stream for each partition, and beside it how many entries it ever got."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
import redis.asyncio

from recommender.eventlog.compaction import rewrite_stream
from recommender.eventlog.port import (
    TOPICS,
    LogEntry,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
)
from recommender.redis_line import Line, pack

_FIELD = b"event"
_COUNTED_AT_ONCE = 10_000
_REMOVED_AT_ONCE = 1_000
_PASSING = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)
"""What may be over when it is tried again."""


_PATIENCE_S = 5.0
_REFUSED = "Redis does not accept events"
_SILENT = "Redis does not answer"
_MULTI, _EXEC, _PING = pack(("MULTI",)), pack(("EXEC",)), pack(("PING",))


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except _PASSING as error:
        raise LogUnavailable(f"event log: Redis does not answer ({type(error).__name__})") from error


def partition_of(key: str, partitions: int) -> int:
    """Return the partition of a key: CRC-32 of its UTF-8 bytes, modulo the number of partitions."""
    return zlib.crc32(key.encode()) % partitions


def _stream(partition: Partition) -> str:
    return f"liveshelf:{{{partition.name}}}:log"


def _appended(partition: Partition) -> str:
    return f"liveshelf:{{{partition.name}}}:appended"


def _progress(consumer: str) -> str:
    return f"liveshelf:progress:{consumer}"


def _commands(records: Sequence[LogRecord], partitions: int) -> Iterator[tuple[bytes | str | int, ...]]:
    counts: dict[Partition, int] = {}
    for record in records:
        number = partition_of(record.key, partitions) if record.partition is None else record.partition
        partition = Partition(record.topic, number)
        yield "XADD", _stream(partition), "*", _FIELD, record.payload
        counts[partition] = counts.get(partition, 0) + 1
    for partition, count in counts.items():
        yield "INCRBY", _appended(partition), count


class RedisEventAppender:
    """The appending side, for asyncio: all requests of a process share a connection."""

    def __init__(self, url: str, partitions: int) -> None:
        pool = redis.asyncio.ConnectionPool.from_url(url, socket_timeout=_PATIENCE_S, socket_connect_timeout=2.0)
        self._line = Line(pool.make_connection, pool.connection_kwargs["socket_timeout"] or _PATIENCE_S)
        self._partitions = partitions

    async def append(self, records: Sequence[LogRecord]) -> None:
        """Append records in one transaction."""
        answers = await self._ask([_MULTI, *map(pack, _commands(records, self._partitions)), _EXEC], _REFUSED)
        _check(answers[-1], _REFUSED)

    async def ping(self) -> None:
        """Return once Redis has answered."""
        await self._ask([_PING], _SILENT)

    async def close(self) -> None:
        """Free the connection."""
        self._line.close()

    async def _ask(self, packed: Sequence[bytes], problem: str) -> list[Any]:
        try:
            answers = await self._line.ask(b"".join(packed), len(packed))
        except redis.RedisError as error:
            raise LogUnavailable(f"event log: {problem} ({type(error).__name__})") from error
        _check(answers, problem)
        return answers


def _check(answers: Any, problem: str) -> None:
    """Raise the first error among the answers: out of memory, read only, still loading."""
    for answer in answers:
        if isinstance(answer, redis.ResponseError):
            code = str(answer).partition(" ")[0]  # the rest may hold an event
            raise LogUnavailable(f"event log: {problem} ({code})")


class RedisEventLog:
    """The whole log, blocking."""

    def __init__(self, url: str, partitions: int) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=10.0, socket_connect_timeout=5.0)
        self._partitions = partitions
        self._noted: dict[tuple[str, Partition], Progress] = {}

    def append(self, records: Sequence[LogRecord]) -> None:
        """Append records in one transaction."""
        with _answering(), self._redis.pipeline(transaction=True) as pipeline:
            for command in _commands(records, self._partitions):
                pipeline.execute_command(*command)
            pipeline.execute()

    def partitions(self) -> list[Partition]:
        """Return all partitions of all topics."""
        return [Partition(topic, number) for topic in TOPICS for number in range(self._partitions)]

    def read(self, partition: Partition, after: str, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries behind a position."""
        start = f"({after}" if after else "-"
        with _answering():
            entries = self._redis.xrange(_stream(partition), min=start, count=most)
        return [
            LogEntry(entry_id.decode(), int(entry_id.partition(b"-")[0]) * 1000, fields.get(_FIELD, b""))
            for entry_id, fields in entries
        ]

    def progress(self, partition: Partition, before: Progress, entries: Sequence[LogEntry]) -> Progress:
        """Return how far a reader has come."""
        return Progress(entries[-1].position, before.entries + len(entries)) if entries else before

    def back(self, partition: Partition, position: str, most: int) -> str:
        """Return the position from which up to ``most`` entries lead to a position."""
        last = position or "+"
        while True:
            count = min(most, _COUNTED_AT_ONCE) + 1  # the first one is where the last answer ended
            with _answering():
                entries = self._redis.xrevrange(_stream(partition), max=last, count=count)
            if len(entries) < count:
                return ""
            most -= count - 1
            last = entries[-1][0].decode()
            if most == 0:
                return str(last)

    def passed(self, partition: Partition, position: str) -> int:
        """Return how many of the entries that the partition ever got are not behind a position."""
        with _answering():
            behind = 0 if position else self._redis.xlen(_stream(partition))
            while position and (some := self.read(partition, position, _COUNTED_AT_ONCE)):
                behind += len(some)
                position = some[-1].position
            return max(0, int(self._redis.get(_appended(partition)) or 0) - behind)

    def identity(self) -> str:
        """Return nothing: positions are times, so a log made anew has other ones."""
        return ""

    def commit(self, consumer: str, partition: Partition, progress: Progress) -> None:
        """Note how far a consumer has come."""
        if self._noted.get((consumer, partition)) == progress:
            return
        with _answering():
            self._redis.hset(_progress(consumer), partition.name, f"{progress.position} {progress.entries}")
        self._noted[consumer, partition] = progress

    def ends(self) -> dict[Partition, int]:
        """Return how many entries each partition ever got."""
        partitions = self.partitions()
        with _answering(), self._redis.pipeline(transaction=False) as pipeline:
            for partition in partitions:
                pipeline.get(_appended(partition))
            counts = pipeline.execute()
        return {partition: int(count or 0) for partition, count in zip(partitions, counts, strict=True)}

    def lag(self, consumer: str, until: Mapping[Partition, int] | None = None) -> int:
        """Return how many entries the consumer has not yet completed."""
        ends = self.ends() if until is None else until
        with _answering():
            done = self._redis.hgetall(_progress(consumer))
        return sum(max(0, end - _parse(done.get(partition.name.encode())).entries) for partition, end in ends.items())

    def trim(self, retention_us: int, consumers: Sequence[str]) -> int:
        """Drop old entries which all consumers have completed."""
        oldest_ms = int(time.time() * 1000) - retention_us // 1000
        dropped = 0
        with _answering():
            progress = [self._redis.hgetall(_progress(consumer)) for consumer in consumers]
            for partition in self.partitions():
                positions = [_parse(done.get(partition.name.encode())).position for done in progress]
                if not positions or not all(positions):
                    continue
                first, sequence = min((oldest_ms, 0), *(_order(position) for position in positions))
                dropped += self._redis.xtrim(_stream(partition), minid=f"{first}-{sequence}", approximate=False)
        return dropped

    def remove(self, partition: Partition, positions: Sequence[str]) -> bool:
        """Remove single entries."""
        with _answering():
            for start in range(0, len(positions), _REMOVED_AT_ONCE):
                self._redis.xdel(_stream(partition), *positions[start : start + _REMOVED_AT_ONCE])
            if positions:
                rewrite_stream(self._redis, _stream(partition))
        return True

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

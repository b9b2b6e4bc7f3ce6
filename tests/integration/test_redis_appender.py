"""What is reported as appended is in the event log, whatever Redis does; and requests never mix on their connection."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from recommender.eventlog import EventAppender, LogRecord, LogUnavailable, Partition, open_event_appender
from recommender.eventlog.redis_streams import RedisEventLog, partition_of
from recommender.settings import Settings
from tests.conftest import free_port
from tests.integration.test_redis_line import running_redis

PARTITIONS = 3
APPENDED = f"liveshelf:{{shopper-{partition_of('u', PARTITIONS)}}}:appended"


def one(payload: bytes, key: str = "u") -> list[LogRecord]:
    return [LogRecord("shopper", key, payload)]


def held(url: str) -> list[bytes]:
    log = RedisEventLog(url, PARTITIONS)
    found = [entry.payload for partition in log.partitions() for entry in log.read(partition, "", 100_000)]
    assert sum(log.ends().values()) == len(found)
    log.close()
    return found


def run(url: str, work: Callable[[EventAppender], Awaitable[None]], query: str = "") -> None:
    async def working() -> None:
        appender = open_event_appender(Settings(redis_url=url, event_log=url + query, partitions=PARTITIONS))
        try:
            await work(appender)
        finally:
            await appender.close()

    asyncio.run(working())


def test_each_of_many_requests_at_once_is_one_transaction_of_its_own(redis_url: str) -> None:
    batches = [
        [LogRecord("shopper", f"u{batch % 7}", b"%d-%d \r\n$-1" % (batch, place)) for place in range(batch % 5 + 1)]
        for batch in range(200)
    ]

    async def append(appender: EventAppender) -> None:
        await asyncio.gather(*(appender.append(batch) for batch in batches))

    run(redis_url, append)
    assert sorted(held(redis_url)) == sorted(record.payload for batch in batches for record in batch)
    log = RedisEventLog(redis_url, PARTITIONS)
    for number in range(7):
        partition = Partition("shopper", partition_of(f"u{number}", PARTITIONS))
        mine = [record.payload for batch in batches for record in batch if record.key == f"u{number}"]
        assert [entry.payload for entry in log.read(partition, "", 100_000) if entry.payload in mine] == mine
    log.close()


def test_an_error_while_the_transaction_is_done_is_no_success(redis_url: str) -> None:
    client: Any = redis.Redis.from_url(redis_url)

    async def append(appender: EventAppender) -> None:
        await appender.append(one(b"before"))
        client.set(APPENDED, "no number")
        with pytest.raises(LogUnavailable, match=r"^event log: Redis does not accept events \(ERR\)$"):
            await appender.append(one(b"refused"))
        client.set(APPENDED, "2")  # Redis takes nothing back of a transaction that fails halfway
        await appender.append(one(b"after"))

    run(redis_url, append)
    assert held(redis_url) == [b"before", b"refused", b"after"]


def test_without_memory_nothing_of_a_transaction_is_done_and_with_it_all_again(redis_url: str) -> None:
    client: Any = redis.Redis.from_url(redis_url)

    async def append(appender: EventAppender) -> None:
        await appender.append(one(b"before"))
        client.config_set("maxmemory", "1")
        try:
            answers = await asyncio.gather(
                *(appender.append(one(b"refused")) for _ in range(5)), return_exceptions=True
            )
            await appender.ping()
        finally:
            client.config_set("maxmemory", "0")
        assert [str(answer) for answer in answers] == ["event log: Redis does not accept events (OOM)"] * 5
        await appender.append(one(b"after"))

    run(redis_url, append)
    assert held(redis_url) == [b"before", b"after"]


def test_a_redis_that_may_not_be_written_to_accepts_nothing(redis_url: str) -> None:
    client: Any = redis.Redis.from_url(redis_url)

    async def append(appender: EventAppender) -> None:
        client.replicaof("127.0.0.1", free_port())
        try:
            with pytest.raises(LogUnavailable, match=r"\(READONLY\)$"):
                await appender.append(one(b"refused"))
        finally:
            client.replicaof("NO", "ONE")
        await appender.append(one(b"after"))

    run(redis_url, append)
    assert held(redis_url) == [b"after"]


def test_a_redis_that_is_killed_halfway_has_confirmed_nothing_and_is_found_again(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"

    async def append(appender: EventAppender) -> None:
        with running_redis(port, tmp_path) as server:
            await appender.append(one(b"before"))
            server.send_signal(signal.SIGSTOP)
            waiting = [asyncio.create_task(appender.append(one(b"halfway"))) for _ in range(5)]
            await asyncio.sleep(0)  # all of them have asked
            server.kill()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert [str(answer) for answer in answers] == [
                "event log: Redis does not accept events (ConnectionError)"
            ] * 5
            server.wait()
            with pytest.raises(LogUnavailable, match=r"^event log: Redis does not answer \(ConnectionError\)$"):
                await appender.ping()
        with running_redis(port, tmp_path):
            await appender.append(one(b"after"))
            assert held(url) == [b"after"]  # this Redis writes nothing to disk

    run(url, append)


def test_a_redis_that_hangs_is_given_up_after_a_while(tmp_path: Path) -> None:
    port = free_port()

    async def append(appender: EventAppender) -> None:
        with running_redis(port, tmp_path) as server:
            await appender.append(one(b"before"))
            server.send_signal(signal.SIGSTOP)
            with pytest.raises(LogUnavailable, match=r"^event log: Redis does not accept events \(TimeoutError\)$"):
                await appender.append(one(b"hangs"))
            server.send_signal(signal.SIGCONT)
            await appender.append(one(b"after"))

    run(f"redis://127.0.0.1:{port}/0", append, "?socket_timeout=2")

"""What every event log adapter promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from recommender.eventlog import (
    EventLog,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
    UnsupportedEventLog,
    open_event_appender,
    open_event_log,
)
from recommender.settings import Settings
from tests.integration.stream import eventually
from tests.kafka.topics import expire

Expire = Callable[[EventLog, Partition], None]


@pytest.fixture
def log(log_settings: Settings) -> Iterator[EventLog]:
    opened = open_event_log(log_settings)
    yield opened
    opened.close()


@pytest.fixture
def drop_read(log_settings: Settings) -> Expire:
    """Drops what the consumer "features" has completed: the log itself where it does so, else as Kafka would."""

    def drop(log: EventLog, partition: Partition) -> None:
        if log_settings.event_log is None:
            eventually(lambda: log.trim(0, ["features"]) > 0, 10)  # the clock must pass the entries' millisecond
        else:
            topic = f"{log_settings.kafka_topic_prefix}{partition.topic}"
            done = log.ends()[partition] - log.lag("features", {partition: log.ends()[partition]})
            expire(log_settings.event_log, topic, partition.number, done)

    return drop


def records(count: int, topic: str = "shopper", key: str | None = None) -> list[LogRecord]:
    return [LogRecord(topic, key or f"u{number}", f"payload {number}".encode()) for number in range(count)]


def read_all(log: EventLog) -> dict[str, list[bytes]]:
    return {p.name: [entry.payload for entry in log.read(p, "", 10_000)] for p in log.partitions()}


def written_to(log: EventLog, topic: str = "shopper") -> Partition:
    """The one partition of the topic that has got anything."""
    (partition,) = [p for p, end in log.ends().items() if p.topic == topic and end > 0]
    return partition


def test_what_was_appended_is_read_once_and_in_the_order_of_its_key(log: EventLog) -> None:
    same = [LogRecord("shopper", "same", f"same {number}".encode()) for number in range(20)]
    log.append(same)
    log.append(records(50))
    held = [payload for payloads in read_all(log).values() for payload in payloads]
    assert [payload for payload in held if payload.startswith(b"same")] == [record.payload for record in same]
    assert sorted(held) == sorted(record.payload for record in [*same, *records(50)])


def test_a_record_with_a_partition_goes_there_whatever_its_key(log: EventLog) -> None:
    partitions = [p for p in log.partitions() if p.topic == "shopper"]
    log.append([LogRecord("shopper", "same", f"to {p.number}".encode(), p.number) for p in partitions])
    held = read_all(log)
    assert [held[p.name] for p in partitions] == [[f"to {p.number}".encode()] for p in partitions]


def test_single_entries_are_removed_to_the_last_byte_where_the_log_can_do_that(
    log: EventLog, log_settings: Settings
) -> None:
    log.append([LogRecord("shopper", "same", b"entry %d" % number) for number in range(1_200)])
    partition = written_to(log)
    entries = log.read(partition, "", 2_000)
    gone = [entries[place] for place in (0, 700, 1_199)]
    if log_settings.event_log is not None:
        assert not log.remove(partition, [entry.position for entry in gone])
        assert log.read(partition, "", 2_000) == entries
        return
    assert log.remove(partition, [entry.position for entry in gone])
    assert log.read(partition, "", 2_000) == [entry for entry in entries if entry not in gone]
    client: Any = redis.Redis.from_url(str(log_settings.redis_url))
    key = f"liveshelf:{{{partition.name}}}:log"
    assert client.xinfo_stream(key)["last-generated-id"].decode() == entries[-1].position
    assert client.ttl(key) == -1
    assert not client.exists(f"{key}:copy")
    assert client.xlen(key) == 1_197
    client.config_set("rdbcompression", "no")
    kept = client.dump(key)
    client.config_set("rdbcompression", "yes")
    assert b"entry 701" in kept
    assert b"entry 700" not in kept
    assert log.ends()[partition] == 1_200
    log.append([LogRecord("shopper", "same", b"later")])
    assert [entry.payload for entry in log.read(partition, entries[-1].position, 10)] == [b"later"]


def test_a_key_always_goes_to_the_same_partition_of_its_topic(log: EventLog) -> None:
    log.append(records(5, key="u1"))
    log.append(records(5, key="u1") + records(5, topic="catalogue", key="u1"))
    held = {name: len(payloads) for name, payloads in read_all(log).items() if payloads}
    assert held == {written_to(log).name: 10, written_to(log, "catalogue").name: 5}


def test_keys_spread_over_the_partitions(log: EventLog) -> None:
    log.append(records(200))
    assert all(end > 0 for partition, end in log.ends().items() if partition.topic == "shopper")


def test_reading_goes_on_behind_a_position(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    first = log.read(partition, "", 4)
    rest = log.read(partition, first[-1].position, 100)
    assert [entry.payload for entry in first + rest] == [record.payload for record in records(10)]
    assert log.read(partition, rest[-1].position, 100) == []


def test_reading_goes_back_to_any_position(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    entries = log.read(partition, "", 100)
    assert [entry.payload for entry in log.read(partition, entries[3].position, 2)] == [b"payload 4", b"payload 5"]
    assert log.read(partition, "", 100) == entries


def test_reading_can_begin_some_entries_before_a_position_or_before_the_end(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    entries = log.read(partition, "", 100)

    def payloads_behind(position: str) -> list[bytes]:
        return [entry.payload for entry in log.read(partition, position, 100)]

    assert payloads_behind(log.back(partition, entries[6].position, 3))[:3] == [
        b"payload 4",
        b"payload 5",
        b"payload 6",
    ]
    assert payloads_behind(log.back(partition, "", 3)) == [b"payload 7", b"payload 8", b"payload 9"]
    assert log.back(partition, entries[6].position, 7) == log.back(partition, "", 100) == ""
    other = next(p for p in log.partitions() if p != partition)
    assert log.back(other, "", 5) == ""


def test_what_comes_later_is_read_where_reading_had_ended(log: EventLog, log_settings: Settings) -> None:
    other = open_event_log(log_settings)
    partition = next(p for p in log.partitions() if p.name == "shopper-0")
    progress = Progress("", 0)
    seen: list[bytes] = []
    for round_ in range(3):
        sent = [LogRecord("shopper", f"u{n}", f"{round_} {n}".encode()) for n in range(100)]
        other.append(sent)
        goal = log.ends()[partition]

        def has_come() -> bool:
            nonlocal progress
            entries = log.read(partition, progress.position, 7)
            progress = log.progress(partition, progress, entries)
            seen.extend(entry.payload for entry in entries)
            return progress.entries >= goal  # noqa: B023

        eventually(has_come, 20)
    other.close()
    assert len(seen) == len(set(seen)) == log.ends()[partition] > 0


def test_progress_counts_what_was_read(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    entries = log.read(partition, "", 6)
    progress = log.progress(partition, Progress("", 0), entries)
    assert progress == Progress(entries[-1].position, 6)
    assert log.progress(partition, progress, []) == progress


def test_the_lag_counts_what_a_consumer_has_not_completed(log: EventLog) -> None:
    assert log.lag("features") == 0
    log.append(records(10, key="u1"))
    partition = written_to(log)
    assert log.lag("features") == 10
    entries = log.read(partition, "", 6)
    log.commit("features", partition, Progress(entries[-1].position, 6))
    assert log.lag("features") == 4
    assert log.lag("another") == 10


def test_the_lag_is_the_same_for_whoever_asks(log: EventLog, log_settings: Settings) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    log.commit("features", partition, Progress(log.read(partition, "", 6)[-1].position, 6))
    other = open_event_log(log_settings)
    eventually(lambda: other.lag("features") == 4, 20)
    other.close()


def test_the_ends_count_every_entry_a_partition_ever_got(log: EventLog, drop_read: Expire) -> None:
    assert log.ends() == dict.fromkeys(log.partitions(), 0)
    log.append(records(10, key="u1"))
    partition = written_to(log)
    log.commit("features", partition, Progress(log.read(partition, "", 100)[-1].position, 10))
    drop_read(log, partition)
    log.append(records(3, key="u1"))
    assert log.ends() == dict.fromkeys(log.partitions(), 0) | {partition: 13}


def test_the_lag_until_earlier_ends_leaves_out_what_was_appended_since(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    ends = log.ends()
    log.append(records(5, key="u1") + records(5, topic="catalogue"))
    assert (log.lag("features", ends), log.lag("features")) == (10, 20)
    entries = log.read(partition, "", 100)
    log.commit("features", partition, Progress(entries[7].position, 8))
    assert (log.lag("features", ends), log.lag("features")) == (2, 12)
    log.commit("features", partition, Progress(entries[11].position, 12))
    assert (log.lag("features", ends), log.lag("features")) == (0, 8)


def test_what_was_passed_is_counted_from_the_first_entry_ever_also_after_trimming(
    log: EventLog, drop_read: Expire
) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    sixth = log.read(partition, "", 6)[-1].position
    assert (log.passed(partition, ""), log.passed(partition, sixth)) == (0, 6)
    log.commit("features", partition, Progress(sixth, 6))
    drop_read(log, partition)
    dropped = 10 - len(log.read(partition, "", 100))
    assert dropped > 0
    assert (log.passed(partition, ""), log.passed(partition, sixth)) == (dropped, 6)


def test_what_a_consumer_has_not_completed_is_there_after_trimming(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    assert log.trim(0, ["features"]) == 0
    entries = log.read(partition, "", 6)
    log.commit("features", partition, Progress(entries[-1].position, 6))
    log.trim(0, ["features"])
    left = [entry.payload for entry in log.read(partition, "", 100)]
    assert left[-4:] == [record.payload for record in records(10)][-4:]
    assert log.lag("features") == 4


def test_trimming_never_drops_what_is_younger_than_the_retention(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = written_to(log)
    entries = log.read(partition, "", 100)
    log.commit("features", partition, Progress(entries[-1].position, 10))
    assert log.trim(3_600_000_000, ["features"]) == 0


def test_entries_carry_the_time_at_which_the_log_took_them(log: EventLog) -> None:
    before = time.time_ns() // 1_000_000 * 1000
    log.append(records(1, key="u1"))
    (entry,) = [entry for p in log.partitions() for entry in log.read(p, "", 10)]
    assert before <= entry.ingested_us <= time.time_ns() // 1000


def test_the_asynchronous_appender_writes_what_the_log_reads(log: EventLog, log_settings: Settings) -> None:
    async def append() -> None:
        appender = open_event_appender(log_settings)
        await appender.ping()
        await asyncio.gather(*(appender.append(records(30)) for _ in range(10)))
        await appender.append([])
        await appender.close()

    asyncio.run(append())
    assert sum(map(len, read_all(log).values())) == 300


def test_a_log_can_be_used_again_after_it_was_closed(log: EventLog) -> None:
    log.append(records(3))
    assert sum(map(len, read_all(log).values())) == 3
    log.close()
    log.append(records(4))
    assert sum(map(len, read_all(log).values())) == 7


@pytest.fixture(params=["redis", "kafka"])
def nowhere(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    """Settings of a log that does not answer."""
    there = {"redis": {"redis_url": "redis://127.0.0.1:1/0"}, "kafka": {"event_log": "kafka://127.0.0.1:1"}}
    return settings.model_copy(update={"kafka_timeout_seconds": 1.0, **there[request.param]})


@pytest.mark.parametrize(
    "use",
    [
        lambda log, _: log.append(records(1)),
        lambda log, partition: log.read(partition, "", 1),
        lambda log, partition: log.passed(partition, ""),
        lambda log, _: log.ends(),
        lambda log, _: log.lag("features"),
        lambda log, _: log.lag("features", dict.fromkeys([Partition("shopper", 0)], 5)),
    ],
    ids=["append", "read", "passed", "ends", "lag", "lag-until"],
)
def test_a_log_that_does_not_answer_is_an_error_that_says_so(
    nowhere: Settings, use: Callable[[EventLog, Partition], object]
) -> None:
    log = open_event_log(nowhere)
    with pytest.raises(LogUnavailable, match=r"event log: (Redis|Kafka) does not answer"):
        use(log, Partition("shopper", 0))
    log.close()


def test_an_appender_whose_log_does_not_answer_says_so(nowhere: Settings) -> None:
    async def use() -> None:
        appender = open_event_appender(nowhere)
        with pytest.raises(LogUnavailable, match="event log"):
            await appender.append(records(1))
        with pytest.raises(LogUnavailable, match="event log"):
            await appender.ping()
        await appender.close()

    asyncio.run(use())


def test_an_address_without_an_adapter_is_refused(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"event_log": "pulsar://127.0.0.1:6650"})
    with pytest.raises(UnsupportedEventLog, match="must begin with redis:// or kafka://; got pulsar://"):
        open_event_log(elsewhere)

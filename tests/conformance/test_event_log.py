"""What every event log adapter promises."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from recommender.eventlog import (
    EventLog,
    LogRecord,
    LogUnavailable,
    Progress,
    UnsupportedEventLog,
    open_event_appender,
    open_event_log,
    partition_of,
)
from recommender.settings import Settings
from tests.integration.stream import eventually


@pytest.fixture
def log(settings: Settings) -> Iterator[EventLog]:
    opened = open_event_log(settings)
    yield opened
    opened.close()


def records(count: int, topic: str = "shopper", key: str | None = None) -> list[LogRecord]:
    return [LogRecord(topic, key or f"u{number}", f"payload {number}".encode()) for number in range(count)]


def read_all(log: EventLog) -> dict[str, list[bytes]]:
    return {p.name: [entry.payload for entry in log.read(p, "", 10_000)] for p in log.partitions()}


def test_what_was_appended_is_read_once_and_in_the_order_of_its_key(log: EventLog) -> None:
    log.append(records(20, key="same"))
    log.append(records(50))
    held = read_all(log)
    same = held[f"shopper-{partition_of('same', 4)}"]
    assert [p for p in same if p in {r.payload for r in records(20)}][:20] == [r.payload for r in records(20)]
    assert sum(map(len, held.values())) == 70


def test_a_key_always_goes_to_the_same_partition_of_its_topic(log: EventLog) -> None:
    log.append(records(5, key="u1") + records(5, topic="catalogue", key="u1"))
    held = {name: len(payloads) for name, payloads in read_all(log).items() if payloads}
    number = partition_of("u1", 4)
    assert held == {f"shopper-{number}": 5, f"catalogue-{number}": 5}


def test_reading_goes_on_behind_a_position(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    first = log.read(partition, "", 4)
    rest = log.read(partition, first[-1].position, 100)
    assert [entry.payload for entry in first + rest] == [record.payload for record in records(10)]
    assert log.read(partition, rest[-1].position, 100) == []


def test_the_lag_counts_what_a_consumer_has_not_completed(log: EventLog) -> None:
    assert log.lag("features") == 0
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    assert log.lag("features") == 10
    entries = log.read(partition, "", 6)
    log.commit("features", partition, Progress(entries[-1].position, 6))
    assert log.lag("features") == 4
    assert log.lag("another") == 10


def test_the_ends_count_every_entry_a_partition_ever_got(log: EventLog) -> None:
    assert log.ends() == dict.fromkeys(log.partitions(), 0)
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    log.commit("features", partition, Progress(log.read(partition, "", 100)[-1].position, 10))
    eventually(lambda: log.trim(0, ["features"]) > 0, 10)  # the clock must pass the entries' millisecond
    log.append(records(3, key="u1"))
    assert log.ends() == dict.fromkeys(log.partitions(), 0) | {partition: 13}


def test_the_lag_until_earlier_ends_leaves_out_what_was_appended_since(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    ends = log.ends()
    log.append(records(5, key="u1") + records(5, topic="catalogue"))
    assert (log.lag("features", ends), log.lag("features")) == (10, 20)
    entries = log.read(partition, "", 100)
    log.commit("features", partition, Progress(entries[7].position, 8))
    assert (log.lag("features", ends), log.lag("features")) == (2, 12)
    log.commit("features", partition, Progress(entries[11].position, 12))
    assert (log.lag("features", ends), log.lag("features")) == (0, 8)


def test_what_was_passed_is_counted_from_the_first_entry_ever_also_after_trimming(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    sixth = log.read(partition, "", 6)[-1].position
    assert (log.passed(partition, ""), log.passed(partition, sixth)) == (0, 6)
    log.commit("features", partition, Progress(sixth, 6))
    eventually(lambda: log.trim(0, ["features"]) > 0, 10)  # the clock must pass the entries' millisecond
    dropped = 10 - len(log.read(partition, "", 100))
    assert (log.passed(partition, ""), log.passed(partition, sixth)) == (dropped, 6)


def test_trimming_never_drops_what_a_consumer_has_not_completed(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    assert log.trim(0, ["features"]) == 0
    entries = log.read(partition, "", 6)
    log.commit("features", partition, Progress(entries[-1].position, 6))
    log.trim(0, ["features"])
    left = [entry.payload for entry in log.read(partition, "", 100)]
    assert left[-4:] == [record.payload for record in records(10)][-4:]
    assert log.lag("features") == 4


def test_trimming_never_drops_what_is_younger_than_the_retention(log: EventLog) -> None:
    log.append(records(10, key="u1"))
    partition = next(p for p in log.partitions() if p.name == f"shopper-{partition_of('u1', 4)}")
    entries = log.read(partition, "", 100)
    log.commit("features", partition, Progress(entries[-1].position, 10))
    assert log.trim(3_600_000_000, ["features"]) == 0


def test_entries_carry_the_time_at_which_the_log_took_them(log: EventLog) -> None:
    before = time.time_ns() // 1_000_000 * 1000
    log.append(records(1, key="u1"))
    (entry,) = [entry for p in log.partitions() for entry in log.read(p, "", 10)]
    assert before <= entry.ingested_us <= time.time_ns() // 1000


def test_the_asynchronous_appender_writes_what_the_log_reads(log: EventLog, settings: Settings) -> None:
    async def append() -> None:
        appender = open_event_appender(settings)
        await appender.append(records(30))
        await appender.close()

    asyncio.run(append())
    assert sum(map(len, read_all(log).values())) == 30


def test_a_log_that_does_not_answer_is_an_error_that_says_so(settings: Settings) -> None:
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with pytest.raises(LogUnavailable, match="event log: Redis does not answer"):
        open_event_log(nowhere).append(records(1))


def test_an_address_without_an_adapter_is_refused(settings: Settings) -> None:
    kafka = settings.model_copy(update={"event_log": "kafka://127.0.0.1:9092"})
    with pytest.raises(UnsupportedEventLog, match="must begin with redis://; got kafka://"):
        open_event_log(kafka)

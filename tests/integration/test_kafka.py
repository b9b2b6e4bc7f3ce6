"""The event log on Kafka where it differs from any other: crashes of the broker, offsets that expire, other senders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from confluent_kafka.cimpl import NewTopic

from dataflows.log_source import EventLogSource
from recommender.deadletters import RedisDeadLetters
from recommender.eventlog import (
    EventLog,
    LogPositionLost,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
    open_event_appender,
    open_event_log,
    record_of,
)
from recommender.eventlog.belonging import OtherEventLog
from recommender.events import View
from recommender.features import SessionFeatures
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.integration.stream import Stream, eventually
from tests.kafka.broker import KafkaBroker
from tests.kafka.topics import expire

SHOPPER_0 = Partition("shopper", 0)


@pytest.fixture
def log(kafka_settings: Settings) -> Iterator[EventLog]:
    opened = open_event_log(kafka_settings)
    yield opened
    opened.close()


def records(count: int, start: int = 0) -> list[LogRecord]:
    return [LogRecord("shopper", f"u{n}", f"payload {n}".encode()) for n in range(start, start + count)]


def held(log: EventLog) -> list[bytes]:
    found: list[bytes] = []
    for partition in log.partitions():
        progress = Progress("", 0)
        while entries := log.read(partition, progress.position, 1_000):
            progress = log.progress(partition, progress, entries)
            found += [entry.payload for entry in entries]
    return found


def test_nothing_acknowledged_is_lost_when_the_broker_is_killed_amid_appends(
    own_kafka: KafkaBroker, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path / "data", event_log=own_kafka.url, kafka_timeout_seconds=2.0)
    acknowledged: list[bytes] = []
    refused = 0

    async def append_on_and_on(stop: asyncio.Event) -> None:
        nonlocal refused
        appender, number = open_event_appender(settings), 0
        while not stop.is_set():
            batch = records(20, start=number)
            number += len(batch)
            try:
                await appender.append(batch)
                acknowledged.extend(record.payload for record in batch)
            except LogUnavailable:
                refused += 1
        await appender.close()

    async def crash_twice() -> None:
        stop = asyncio.Event()
        appending = asyncio.create_task(append_on_and_on(stop))
        for _ in range(2):
            before = len(acknowledged)
            await until(lambda: len(acknowledged) > before + 200)  # noqa: B023
            own_kafka.kill()
            failed = refused
            await until(lambda: refused > failed)  # noqa: B023
            await asyncio.to_thread(own_kafka.start)
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 200)
        stop.set()
        await appending

    asyncio.run(crash_twice())
    log = open_event_log(settings)
    kept = held(log)
    log.close()
    assert refused >= 2
    assert set(acknowledged) - set(kept) == set()


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def test_reading_goes_on_by_itself_when_the_broker_is_there_again(own_kafka: KafkaBroker, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", event_log=own_kafka.url, kafka_timeout_seconds=2.0, partitions=1)
    log, other = open_event_log(settings), open_event_log(settings)
    other.append(records(10))
    last = log.read(SHOPPER_0, "", 100)[-1].position
    own_kafka.kill()
    outage = []

    def is_noticed() -> bool:
        try:
            assert log.read(SHOPPER_0, last, 100) == []
        except LogUnavailable as error:
            outage.append(str(error))
        return bool(outage)

    eventually(is_noticed, 30)
    own_kafka.start()

    def is_appended() -> bool:
        try:
            other.append(records(10, start=10))
        except LogUnavailable:
            return False
        return True

    eventually(is_appended, 30)
    seen: list[bytes] = []

    def is_read() -> bool:
        try:
            seen.extend(entry.payload for entry in log.read(SHOPPER_0, last, 100))
        except LogUnavailable:
            return False
        return bool(seen)

    eventually(is_read, 30)
    assert seen[:10] == [record.payload for record in records(10, start=10)]
    other.close()
    log.close()


def test_an_expired_position_is_an_error_that_says_what_to_do(log: EventLog, kafka_settings: Settings) -> None:
    log.append([LogRecord("shopper", "same", b"%d" % n) for n in range(10)])
    (partition,) = [partition for partition, end in log.ends().items() if end]
    topic = f"{kafka_settings.kafka_topic_prefix}shopper"
    expire(str(kafka_settings.event_log), topic, partition.number, 6)
    with pytest.raises(LogPositionLost, match=r"no longer has offset 3 \(it holds 6 to 9\).*ACCEPT_LOST_EVENTS=true"):
        log.read(partition, "2", 10)
    assert [entry.payload for entry in log.read(partition, "5", 10)] == [b"6", b"7", b"8", b"9"]
    with pytest.raises(LogPositionLost, match="no longer has offset 11"):
        log.read(partition, "10", 10)

    lenient = open_event_log(kafka_settings.model_copy(update={"accept_lost_events": True}))
    assert [entry.position for entry in lenient.read(partition, "2", 10)] == ["6", "7", "8", "9"]
    lenient.close()


def test_what_expires_while_it_waits_to_be_read_stops_the_flow(kafka_settings: Settings) -> None:
    source = EventLogSource(kafka_settings, endless=True)
    log = open_event_log(kafka_settings)
    log.append([LogRecord("shopper", "same", b"%d" % n) for n in range(10)])
    (partition,) = [partition for partition, end in log.ends().items() if end]
    log.close()
    expire(str(kafka_settings.event_log), f"{kafka_settings.kafka_topic_prefix}shopper", partition.number, 6)
    part = source.build_part("event-log", partition.name, ("2", 3))
    with pytest.raises(LogPositionLost):
        part.next_batch()


def test_records_of_other_senders_are_read_or_become_dead_letters(kafka_settings: Settings) -> None:
    apply(kafka_settings)
    log = open_event_log(kafka_settings)
    log.ends()  # makes the topics
    now = datetime.now(UTC)

    def view(number: int) -> bytes:
        return record_of(View(event_id=f"v{number}", event_time=now, session_id="s1", item_id=f"i{number}")).payload

    topic = f"{kafka_settings.kafka_topic_prefix}shopper"
    with_foreign_headers = [("traceparent", b"00-1"), ("liveshelf-schema", b"1"), ("empty", None)]
    sender = Producer({"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://")})
    sender.produce(topic, view(1), "s1")
    sender.produce(topic, view(2), "s1", headers=with_foreign_headers)
    sender.produce(topic, None, "s1")
    sender.produce(topic, b"", "s1")
    sender.produce(topic, b"\x00\x00\x00\x00\x01binary", b"\xff\xfe")
    sender.produce(topic, b"no key, no event", None)
    sender.produce(topic, view(3), "s1", headers=[("liveshelf-schema", b"2")])
    sender.produce(topic, view(4), "s1")
    assert sender.flush(20) == 0
    Stream(kafka_settings).run_to_the_end()
    assert log.lag("features") == 0
    log.close()

    (session,) = FeastFeatures.open(kafka_settings).read(SessionFeatures, ["s1"])
    assert session is not None
    assert sorted(session.recent_items) == ["i1", "i2", "i4"]
    letters = RedisDeadLetters(redis.Redis.from_url(str(kafka_settings.redis_url))).list()
    assert sorted(letter.payload for letter in letters if "v3" not in letter.payload)[0] == ""
    assert [letter.reason for letter in letters if "v3" in letter.payload] == [
        "header liveshelf-schema: must be 1, or be left out; got b'2'"
    ]


def test_marks_of_transactions_hold_nobody_up(kafka_settings: Settings) -> None:
    log = open_event_log(kafka_settings.model_copy(update={"partitions": 1}))
    log.ends()
    address = str(kafka_settings.event_log).removeprefix("kafka://")
    sender = Producer({"bootstrap.servers": address, "transactional.id": kafka_settings.kafka_topic_prefix})
    sender.init_transactions(20)
    for payload in (b"kept 1", b"aborted", b"kept 2"):
        sender.begin_transaction()
        sender.produce(f"{kafka_settings.kafka_topic_prefix}shopper", payload, "s1")
        if payload == b"aborted":
            sender.flush(20)
            sender.abort_transaction(20)
        else:
            sender.commit_transaction(20)
    seen: list[bytes] = []
    progress = Progress("", 0)

    def is_through() -> bool:
        nonlocal progress
        entries = log.read(SHOPPER_0, progress.position, 10)
        progress = log.progress(SHOPPER_0, progress, entries)
        seen.extend(entry.payload for entry in entries)
        return progress.entries >= log.ends()[SHOPPER_0]

    eventually(is_through, 20)
    assert seen == [b"kept 1", b"kept 2"]
    log.commit("features", SHOPPER_0, progress)
    assert log.lag("features") == 0
    log.close()


def test_partitions_that_were_added_to_a_topic_are_read_too(kafka_settings: Settings) -> None:
    EventLogSource(kafka_settings, endless=False)
    admin = AdminClient({"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://")})
    grown = admin.create_partitions([NewPartitions(f"{kafka_settings.kafka_topic_prefix}shopper", 6)])
    for future in grown.values():
        future.result(20)
    log = open_event_log(kafka_settings)
    eventually(lambda: len(log.partitions()) == 10, 20)
    log.append(records(500))
    assert len(held(log)) == 500
    log.close()
    source = EventLogSource(kafka_settings, endless=False)
    assert {"shopper-4", "shopper-5"} <= set(source.list_parts())


def test_a_data_folder_goes_with_the_event_log_that_it_has_read(kafka_settings: Settings) -> None:
    EventLogSource(kafka_settings, endless=False)
    in_redis = kafka_settings.model_copy(update={"event_log": None})
    with pytest.raises(OtherEventLog, match=r"read its events from kafka so far.*got an event log on redis"):
        EventLogSource(in_redis, endless=False)
    elsewhere = kafka_settings.model_copy(update={"kafka_topic_prefix": f"{kafka_settings.kafka_topic_prefix}more."})
    with pytest.raises(OtherEventLog, match=r"LIVESHELF_KAFKA_TOPIC_PREFIX: .* has read topics"):
        EventLogSource(elsewhere, endless=False)


def test_topics_made_anew_are_refused_also_where_their_offsets_reach_further(kafka_settings: Settings) -> None:
    EventLogSource(kafka_settings, endless=False)
    EventLogSource(kafka_settings, endless=False)  # the same ones go on
    cluster = AdminClient({"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://")})
    topics = [f"{kafka_settings.kafka_topic_prefix}{topic}" for topic in ("shopper", "catalogue")]
    for deleted in cluster.delete_topics(topics).values():
        deleted.result(20)
    eventually(lambda: not set(topics) & set(cluster.list_topics(timeout=10).topics), 20)
    with pytest.raises(OtherEventLog, match="has read topics that were deleted since"):
        EventLogSource(kafka_settings, endless=False)


def test_topics_that_somebody_else_has_made_badly_are_named(
    kafka_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = AdminClient({"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://")})
    risky = {"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}
    names = [f"{kafka_settings.kafka_topic_prefix}{topic}" for topic in ("shopper", "catalogue")]
    for made in cluster.create_topics([NewTopic(name, 2, 1, config=risky) for name in names]).values():
        made.result(20)
    found = open_event_log(kafka_settings)
    found.partitions()
    found.close()
    assert f"topic {names[0]}: cleanup.policy should be delete; got compact" in caplog.text
    assert f"topic {names[1]}: message.timestamp.type should be LogAppendTime; got CreateTime" in caplog.text


def test_fewer_partitions_than_were_read_are_refused_and_more_are_taken(settings: Settings) -> None:
    EventLogSource(settings, endless=False)
    with pytest.raises(OtherEventLog, match=r"LIVESHELF_PARTITIONS: .* has read 8 partitions so far.*got 4, without"):
        EventLogSource(settings.model_copy(update={"partitions": 2}), endless=False)
    more = settings.model_copy(update={"partitions": 6})
    assert len(EventLogSource(more, endless=False).list_parts()) == 12
    with pytest.raises(OtherEventLog, match="has read 12 partitions so far"):
        EventLogSource(settings, endless=False)


def test_progress_is_found_by_kafkas_own_tools(log: EventLog, kafka_settings: Settings) -> None:
    log.append([LogRecord("shopper", "same", b"%d" % n) for n in range(10)])
    (partition,) = [partition for partition, end in log.ends().items() if end]
    log.commit("features", partition, Progress("5", 6))
    assert log.lag("features") == 4
    groups = AdminClient({"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://")})
    listed = groups.list_consumer_groups(request_timeout=20).result(20).valid
    assert f"{kafka_settings.kafka_topic_prefix}features" in {group.group_id for group in listed}


def test_events_carry_their_schema_version_and_key(log: EventLog, kafka_settings: Settings) -> None:
    from confluent_kafka import Consumer, TopicPartition

    event = View(event_id="v1", event_time=datetime.now(UTC), user_id="u1", item_id="i1")
    log.append([record_of(event)])
    (partition,) = [partition for partition, end in log.ends().items() if end]
    consumer = Consumer(
        {"bootstrap.servers": str(kafka_settings.event_log).removeprefix("kafka://"), "group.id": "a-reader"}
    )
    consumer.assign([TopicPartition(f"{kafka_settings.kafka_topic_prefix}shopper", partition.number, 0)])
    message = consumer.poll(20)
    assert message is not None
    assert (message.key(), message.headers()) == (b"u1", [("liveshelf-schema", b"1")])
    assert json.loads(message.value() or b"")["event_id"] == "v1"
    consumer.close()

"""The worker of erasures: with Kafka, broken off anywhere, beside others, with several processes of the dataflow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
import redis

from recommender.erasure.book import ErasureBook, ErasureStatus
from recommender.erasure.worker import Eraser
from recommender.eventlog import SHOPPER, LogRecord, open_event_log
from recommender.settings import Settings
from recommender.store.repository import apply
from tests.erasing import (
    ERASED,
    OTHERS,
    append,
    history_of_others,
    records,
    rows_of_others,
    traces_in_files,
    traces_in_redis,
)
from tests.integration.stream import Stream, eventually
from tests.integration.test_cluster import Cluster


class Broken(Exception):
    """The process is killed, as it were."""


@contextmanager
def streaming(settings: Settings) -> Iterator[Stream]:
    apply(settings)
    append(settings, records())
    stream = Stream(settings)
    stream.start()
    try:
        stream.wait_until_drained()
        yield stream
    finally:
        stream.kill()


def rest_briefly(seconds: float) -> None:
    """Look as often as usual, but let nobody settle: no API is there that would hold copies."""
    time.sleep(min(seconds, 0.1))


def work(settings: Settings, client: redis.Redis, rest: Callable[[float], None] = rest_briefly) -> bool:
    with closing(open_event_log(settings)) as log:
        return Eraser(settings, client, log, rest).work()


def test_with_kafka_all_is_erased_but_the_entries_of_the_topic_and_the_answer_says_so(kafka_settings: Settings) -> None:
    settings = kafka_settings
    client = redis.Redis.from_url(str(settings.redis_url))
    book = ErasureBook(client)
    with streaming(settings):
        features, history = rows_of_others(settings), history_of_others(settings)
        opened, is_new = book.open(ERASED, "key-1")
        assert is_new
        assert work(settings, client)
        status = book.status(opened.erasure_id)
        assert status is not None
        assert (status.status, status.counts["history_events"]) == ("complete", 84)
        assert traces_in_redis(client) == []
        assert traces_in_files(settings.data_dir) == []
        assert (rows_of_others(settings), history_of_others(settings)) == (features, history)
        assert "Kafka removes no single events" in status.remarks[0]
        assert "log_entries" not in status.counts
        assert not work(settings, client), "there is nothing left to do"


def test_a_worker_that_is_broken_off_again_and_again_gets_there(settings: Settings) -> None:
    client = redis.Redis.from_url(str(settings.redis_url))
    book = ErasureBook(client)
    calls = [0]

    def rest(seconds: float) -> None:
        rest_briefly(seconds)
        calls[0] -= 1
        if calls[0] < 0:
            raise Broken

    with streaming(settings):
        history = history_of_others(settings)
        opened, _ = book.open(ERASED)
        phases, broken = set(), 0
        for attempt in range(60):
            calls[0] = 1 + 6 * attempt
            try:
                work(settings, client, rest)
                break
            except Broken:
                broken += 1
                status = book.status(opened.erasure_id)
                assert status is not None
                phases.add(status.phase)
        assert broken > 5
        assert {"find", "drop", "sweep"} <= phases
        done = book.status(opened.erasure_id)
        assert done is not None
        assert done.status == "complete"
        assert traces_in_redis(client) == []
        assert traces_in_files(settings.data_dir) == []
        assert history_of_others(settings) == history


def test_of_several_workers_one_does_the_work_and_users_go_together(settings: Settings) -> None:
    client = redis.Redis.from_url(str(settings.redis_url))
    book, other = ErasureBook(client), ErasureBook(client)
    assert book.lock()
    book.open(ERASED)
    assert not work(settings, client), "another one has the lock"
    book.unlock()
    assert other.lock()
    other.unlock()
    with streaming(settings) as stream:
        features = rows_of_others(settings)
        forged = b'{"liveshelf_control":{"batch_id":"../x","step":"drop"},"proof":"%s"}' % (b"0" * 64)
        append(settings, [LogRecord(SHOPPER, "x", forged)])
        stream.wait_until_drained()
        assert rows_of_others(settings) == features, "a stranger's control event erases nobody"
        assert client.zcard("liveshelf:deadletters:by_last_seen") == 1
        opened: list[ErasureStatus] = [book.open(user_id)[0] for user_id in (ERASED, OTHERS[0], "nobody")]
        again, is_new = other.open(ERASED)
        assert not is_new
        began = time.monotonic()
        assert work(settings, client)
        assert time.monotonic() - began < 60
        found = [book.status(status.erasure_id) for status in opened]
        assert all(status is not None and status.status == "complete" for status in found)
        assert [status.counts.get("history_events", 0) for status in found if status] == [84, 84, 0]
        assert traces_in_redis(client) == []
        late, is_new = book.open(ERASED)
        assert is_new, "once it is complete, the same user is a new one"
        assert late.erasure_id != again.erasure_id
        assert work(settings, client)
        stream.wait_until_drained()


@pytest.mark.long
def test_a_cluster_of_processes_erases_as_one_does(settings: Settings) -> None:
    client = redis.Redis.from_url(str(settings.redis_url))
    apply(settings)
    append(settings, records())
    cluster = Cluster(settings)
    cluster.start(3)
    try:
        with closing(open_event_log(settings)) as log:
            eventually(lambda: log.lag("features") == 0, 120)
        features, history = rows_of_others(settings), history_of_others(settings)
        ErasureBook(client).open(ERASED)
        assert work(settings, client)
        assert traces_in_redis(client) == []
        assert traces_in_files(settings.data_dir) == []
        assert (rows_of_others(settings), history_of_others(settings)) == (features, history)
    finally:
        cluster.clear()

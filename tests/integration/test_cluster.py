"""The feature flow as a cluster of processes that crashes, stops, and changes its size from start to start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from bytewax.recovery import init_db_dir

from recommender.eventlog import EventLog, open_event_log, record_of
from recommender.events import decode_event
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.crash.shuffle import payload
from tests.crash.verdict import judge
from tests.integration.recount import Seen, read_taobao
from tests.integration.stream import environment, eventually

EVENTS = 4_000
PARTITIONS = 8
LIMIT_S = 180.0


class Cluster:
    """The flow of an installation, as ``python -m dataflows.cluster`` runs it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._recovery = Installation(settings.data_dir).recovery_dir
        self._launcher: subprocess.Popen[bytes] | None = None
        self._members: list[psutil.Process] = []
        self._recovery.mkdir(parents=True)
        init_db_dir(self._recovery, 1)

    def start(self, workers: int, *, until_drained: bool = False) -> None:
        """Start so many processes, on from the last snapshot."""
        command = [sys.executable, "-m", "dataflows.cluster", "-r", str(self._recovery), "-s", "1", "-w", str(workers)]
        env = environment(self._settings) | {"LIVESHELF_PARTITIONS": str(self._settings.partitions)}
        env |= {"LIVESHELF_UNTIL_DRAINED": str(until_drained).lower()}
        self._launcher = subprocess.Popen(command, env=env)

    def members(self, count: int) -> list[psutil.Process]:
        """Return the processes of the cluster, once there are so many."""
        assert self._launcher is not None
        launcher = psutil.Process(self._launcher.pid)

        def complete() -> bool:
            self._members = launcher.children()
            return len(self._members) == count

        eventually(complete, 30)
        return self._members

    def send(self, number: signal.Signals) -> None:
        assert self._launcher is not None
        self._launcher.send_signal(number)

    def ends_with(self) -> int:
        """Wait for the end of the command, after which none of its processes may live; return the exit code."""
        assert self._launcher is not None
        code = self._launcher.wait(LIMIT_S)
        assert [process for process in self._members if process.is_running()] == []
        return code

    def clear(self) -> None:
        if self._launcher is not None and self._launcher.poll() is None:
            self._launcher.kill()  # which ends its processes too
            self._launcher.wait()


@pytest.fixture
def large_log_settings(log_settings: Settings) -> Settings:
    """Settings of a fresh installation whose event log has eight partitions, in Redis and on Kafka in turn."""
    return log_settings.model_copy(update={"partitions": PARTITIONS})


@pytest.fixture
def log(large_log_settings: Settings) -> Iterator[EventLog]:
    opened = open_event_log(large_log_settings)
    yield opened
    opened.close()


@pytest.fixture
def cluster(large_log_settings: Settings) -> Iterator[Cluster]:
    made = Cluster(large_log_settings)
    yield made
    made.clear()


def append(log: EventLog, events: list[Seen]) -> None:
    log.append([record_of(decode_event(payload(seen))) for seen in events])


def entities(settings: Settings) -> int:
    """How many entities have rows, and a few keys more."""
    client: Any = redis.Redis.from_url(str(settings.redis_url))
    with client:
        return int(client.dbsize())


@pytest.mark.long
def test_nothing_is_lost_or_doubled_when_the_number_of_processes_changes_after_a_crash_and_after_a_stop(
    large_log_settings: Settings, log: EventLog, cluster: Cluster, real_data: Path
) -> None:
    events = read_taobao(real_data / "taobao" / "UserBehavior.csv.gz", EVENTS)
    quarter = EVENTS // 4
    apply(large_log_settings)

    append(log, events[:quarter])
    cluster.start(2)
    members = cluster.members(2)
    eventually(lambda: log.lag("features") == 0, LIMIT_S)
    append(log, events[quarter : 2 * quarter])
    eventually(lambda: log.lag("features") < quarter, LIMIT_S)  # in the middle of it
    os.kill(members[1].pid, signal.SIGKILL)
    assert cluster.ends_with() != 0

    append(log, events[2 * quarter : 3 * quarter])
    cluster.start(3)
    cluster.members(3)
    eventually(lambda: log.lag("features") == 0, LIMIT_S)
    append(log, events[3 * quarter :])
    cluster.send(signal.SIGINT)
    assert cluster.ends_with() == 0

    cluster.start(1, until_drained=True)
    assert cluster.ends_with() == 0
    assert log.lag("features") == 0

    features = FeastFeatures.open(large_log_settings)
    try:
        verdict = judge(features, Installation(large_log_settings.data_dir).history_dir, events)
    finally:
        features.close()
    assert verdict.differences == []
    assert verdict.history_rows["events"] == EVENTS
    assert verdict.rows_compared > 3 * quarter

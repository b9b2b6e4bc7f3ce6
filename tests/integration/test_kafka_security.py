"""Kafka behind TLS and passwords: settings reach it, and nothing tells a password."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from recommender.eventlog import LogRecord, LogUnavailable, UnsupportedEventLog, open_event_appender, open_event_log
from recommender.settings import Settings
from tests.conftest import require_kafka
from tests.kafka.broker import KafkaBroker
from tests.needs import tool

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``broker.pem`` (key and certificate) and ``ca.pem`` (the certificate, which signs itself)."""
    folder = tmp_path_factory.mktemp("certificates")
    command = [tool("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    (folder / "broker.pem").write_text((folder / "key.pem").read_text() + (folder / "ca.pem").read_text())
    return folder


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[KafkaBroker]:
    """A broker that speaks TLS alone and knows one user."""
    require_kafka()
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    properties = {
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": f'{login} user_shop="{PASSWORD}";',
        "listener.name.client.ssl.keystore.type": "PEM",
        "listener.name.client.ssl.keystore.location": str(certificates / "broker.pem"),
    }
    with KafkaBroker(tmp_path_factory.mktemp("secured"), "SASL_SSL", properties) as broker:
        yield broker


@pytest.fixture
def secure_settings(secured: KafkaBroker, certificates: Path, tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        event_log=secured.url,
        kafka_timeout_seconds=10.0,
        kafka_security_protocol="SASL_SSL",
        kafka_sasl_username="shop",
        kafka_sasl_password=SecretStr(PASSWORD),
        kafka_ca_file=certificates / "ca.pem",
    )


def test_events_go_through_tls_and_a_password(secure_settings: Settings) -> None:
    async def append() -> None:
        appender = open_event_appender(secure_settings)
        await appender.append([LogRecord("shopper", "u1", b"one")])
        await appender.close()

    asyncio.run(append())
    log = open_event_log(secure_settings)
    log.append([LogRecord("shopper", "u1", b"two")])
    (partition,) = [partition for partition, end in log.ends().items() if end]
    assert [entry.payload for entry in log.read(partition, "", 10)] == [b"one", b"two"]
    assert log.lag("features") == 2
    log.close()


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"kafka_sasl_password": SecretStr("wrong horse")}, "Authentication failed"),
        ({"kafka_ca_file": None}, "certificate verify failed"),
    ],
    ids=["password", "certificate"],
)
def test_what_is_wrong_is_told_without_the_password(
    secure_settings: Settings, wrong: dict[str, object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = secure_settings.model_copy(update={"kafka_timeout_seconds": 4.0, **wrong})
    log = open_event_log(settings)
    with pytest.raises(LogUnavailable, match=reason) as told:
        log.ends()
    log.close()
    assert "horse" not in f"{told.value!r} {caplog.text} {settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    "address", ["kafka://shop:secret@broker:9092", "kafka://", "kafka://broker", "kafka://b:1,,c:1"]
)
def test_an_address_that_is_none_is_refused_and_its_password_not_told(settings: Settings, address: str) -> None:
    with pytest.raises(UnsupportedEventLog, match="LIVESHELF_EVENT_LOG: must") as told:
        open_event_log(settings.model_copy(update={"event_log": address}))
    assert "secret" not in str(told.value)

"""An installation whose event log is on Kafka, as a user starts it; its broker is killed and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_up import Shop, event_ids_in_history, wait_until
from tests.kafka.broker import KafkaBroker


@pytest.fixture
def kafka_shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


@pytest.mark.timeout(900)
def test_an_installation_on_kafka_outlives_its_broker(kafka_shop: Shop, own_kafka: KafkaBroker) -> None:
    shop = kafka_shop
    shop.start("--kafka", own_kafka.address)
    shop.view("e1", "e2")
    wait_until(lambda: shop.status()["lag"] == 0)

    own_kafka.kill()
    event = {"kind": "view", "event_time": datetime.now(UTC).isoformat(), "user_id": "anna", "item_id": "boot"}
    refused = shop.api.post("/v1/events", json=event | {"event_id": "e3"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json()["error"]["code"] == "event_log_unavailable"
    problems = shop.api.get("/health/ready")
    assert problems.status_code == 503
    assert "event log: does not answer" in problems.text
    assert shop.api.get("/v1/users/anna/recommendations").status_code == 200

    own_kafka.start()
    wait_until(lambda: shop.api.get("/health/ready").status_code == httpx.codes.OK)
    shop.view("e3", "e1")
    wait_until(lambda: {"e1", "e2", "e3"} <= set(event_ids_in_history(shop.folder)))
    wait_until(lambda: shop.status()["lag"] == 0)
    assert shop.stop() == 0
    assert sorted(event_ids_in_history(shop.folder)) == ["e1", "e2", "e3"]

    elsewhere = shop.command("up")
    assert elsewhere.returncode == 2
    assert "has read its events from kafka so far" in elsewhere.stderr
    assert "Traceback" not in elsewhere.stderr

"""The learner as one of the processes of ``up``: new shoppers and items reach the API without a training."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recommender.model.registry import ModelRegistry
from tests.e2e.test_up import Shop, wait_until
from tests.learning import blank_model


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


def views(shop: Shop, number: int, user: str, *items: str) -> None:
    now = datetime.now(UTC) - timedelta(seconds=30)
    events = [
        {
            "kind": "view",
            "event_id": f"{user}-{number}-{place}",
            "event_time": (now + timedelta(seconds=place)).isoformat(),
            "user_id": user,
            "item_id": item,
        }
        for place, item in enumerate(items)
    ]
    assert shop.api.post("/v1/events", json=events).json()["accepted"] == len(events)


@pytest.mark.timeout(600)
def test_a_new_item_and_a_new_shopper_are_learned_and_served_and_a_kill_loses_nothing(shop: Shop) -> None:
    registry = ModelRegistry(shop.folder / "models")
    full = registry.save(blank_model())
    registry.activate(full)
    shop.start(learn_publish_seconds="2", learn_batch_seconds="0.5", learn_cpu_ratio="1")
    lamp = {"kind": "item_upsert", "event_id": "lamp", "item_id": "lamp", "brand": "Lux"}
    now = datetime.now(UTC).isoformat()
    assert shop.api.post("/v1/events", json=[lamp | {"event_time": now}]).json()["accepted"] == 1
    views(shop, 1, "ann", "item1", "lamp", "item2", "lamp")
    wait_until(lambda: learning(shop)["examples"] == 4)
    version = learning(shop)["version"]
    model = registry.load(version)
    assert (model.manifest.kind, model.manifest.parent) == ("online", full)
    assert "lamp" in model.item_ids
    assert "user=ann" in model.shopper_features
    wait_until(lambda: served_version(shop) == version)

    os.kill(shop.status()["processes"]["learner"]["pid"], signal.SIGKILL)
    views(shop, 2, "bob", "item3", "item4")
    wait_until(lambda: learning(shop)["examples"] == 6)
    version = learning(shop)["version"]
    assert {"user=ann", "user=bob"} <= set(registry.load(version).shopper_features)
    wait_until(lambda: served_version(shop) == version)
    assert shop.stop() == 0
    assert "learner   stopped" in shop.output()


def learning(shop: Shop) -> dict[str, Any]:
    found = shop.status()["learning"] or {"examples": 0}
    return dict(found)


def served_version(shop: Shop) -> str | None:
    answer = shop.api.get("/v1/users/ann/recommendations", params={"n": 3})
    version: str | None = answer.json().get("model_version")
    return version

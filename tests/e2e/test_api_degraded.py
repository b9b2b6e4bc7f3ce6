"""A running API whose feature store becomes slow, or goes away: who asks is answered in time, and told by what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import pytest
import redis

from api.answers import RankAnswer, SlateAnswer
from benchmarks.chaos.slow_proxy import SlowProxy
from recommender.settings import Settings
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.e2e.test_api_serving import Shop
from tests.spec.test_slate import activity, catalogue, session

pytestmark = pytest.mark.timeout(300)

ITEMS = [(f"item{number:02}", float(50 - number)) for number in range(30)]
SLOW_S = 2.0
DEADLINE_MS = 500


class Slowed(NamedTuple):
    shop: Shop
    proxy: SlowProxy


@pytest.fixture(scope="module")
def slowed(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slowed]:
    """A shop whose API reaches Redis through a proxy; the stream does not."""
    folder = tmp_path_factory.mktemp("degraded")
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
        proxy = SlowProxy(client.connection_pool.connection_kwargs["port"])
    proxy.start()
    behind = Settings(
        data_dir=folder / "data", redis_url=redis_server, port=free_port(), dev=True, deadline_ms=DEADLINE_MS
    )
    settings = behind.model_copy(update={"redis_url": f"redis://127.0.0.1:{proxy.port}/0"})
    with running_api(settings, folder / "api.log") as client:
        shop = Shop(client, behind)
        for item_id, trend in ITEMS:
            shop.write(catalogue(item_id, "Shoes", 5, shop.later()), activity(item_id, trend, [], [], shop.later()))
        for user in ("ann", "bob"):
            row = session([("item20", "Shoes")], feature_time_us=shop.later())
            shop.write(msgspec.structs.replace(row, session_id=user))
        wait_until(lambda: f"liveshelf_api_items {float(len(ITEMS))}" in client.get("/metrics").text)
        yield Slowed(shop, proxy)
    proxy.stop()


def ask(shop: Shop, session_id: str, **more: object) -> SlateAnswer:
    answer = shop.client.post("/v1/recommendations", json={"session_id": session_id, "n": 5, **more})
    assert answer.status_code == 200, answer.text
    return SlateAnswer.model_validate_json(answer.content)


def how(slate: SlateAnswer) -> tuple[str, str | None]:
    return slate.answered_by, slate.fallback and slate.fallback.value


def test_a_slow_store_is_not_waited_for_and_is_asked_again_once_it_is_quick(slowed: Slowed) -> None:
    shop, proxy = slowed
    wait_until(lambda: how(ask(shop, "ann"))[0] in ("live", "cached"))
    before = ask(shop, "ann")
    assert how(before)[1] == "no_model"

    proxy.delay_s = SLOW_S
    shop.write(msgspec.structs.replace(session([("item21", "Shoes")], feature_time_us=shop.later()), session_id="ann"))
    # A notice comes as late as all else: until it does, this process's copy counts, for a second at most.
    wait_until(lambda: how(ask(shop, "ann"))[0] != "cached")
    found = [ask(shop, name) for name in ("ann", "bob", "ann", "bob")]

    assert {how(slate) for slate in found} == {("stale", "store_unavailable"), ("popular", "store_unavailable")}
    assert [item.item_id for item in found[0].items] == [item.item_id for item in before.items]
    assert max(slate.took_ms for slate in found) < SLOW_S * 1_000, "an answer that waited would have taken this long"
    assert all(len(slate.items) == 5 for slate in found)

    proxy.delay_s = 0.0
    wait_until(lambda: how(ask(shop, "bob")) in (("live", "no_model"), ("cached", "no_model")))


def test_without_the_store_a_surface_that_needs_no_shopper_is_still_made(slowed: Slowed) -> None:
    shop, proxy = slowed
    proxy.delay_s = SLOW_S
    try:
        wait_until(lambda: how(ask(shop, "cleo"))[1] == "store_unavailable")
        similar = ask(shop, "dora", surface="similar", item_id="item03")
        home = ask(shop, "dora", exclude_item_ids=["item00"], filter="price >= 0")
    finally:
        proxy.delay_s = 0.0

    assert how(similar) == ("live", "store_unavailable")
    assert how(home) == ("popular", "store_unavailable")
    assert [item.item_id for item in home.items] == [f"item{number:02}" for number in range(1, 6)]


def test_what_sells_out_leaves_stale_slates_too(slowed: Slowed) -> None:
    shop, proxy = slowed
    wait_until(lambda: how(ask(shop, "eve"))[0] in ("live", "cached"))
    sold_out = ask(shop, "eve").items[0].item_id

    proxy.delay_s = SLOW_S
    try:
        shop.write(catalogue(sold_out, "Shoes", 0, shop.later()))
        wait_until(lambda: sold_out not in [item.item_id for item in ask(shop, "eve").items])
        slate = ask(shop, "eve")
    finally:
        proxy.delay_s = 0.0

    assert how(slate) == ("stale", "store_unavailable")
    assert len(slate.items) == 5


def test_what_a_slate_left_out_does_not_come_back_when_it_is_given_stale(slowed: Slowed) -> None:
    shop, proxy = slowed
    everything = len(ITEMS)
    wait_until(lambda: how(ask(shop, "fay", user_id="fay"))[0] in ("live", "cached"))
    assert shop.client.put("/v1/users/fay/hidden/item00").status_code == 200

    def home() -> SlateAnswer:
        return ask(shop, "fay", user_id="fay", n=everything)

    def similar() -> SlateAnswer:
        return ask(shop, "fay", user_id="fay", n=everything, surface="similar", item_id="item03")

    wait_until(lambda: len(home().items) == everything - 1 and len(similar().items) == everything - 2)
    proxy.delay_s = SLOW_S
    try:
        wait_until(lambda: how(home())[0] == how(similar())[0] == "stale")
        shown = [{item.item_id for item in slate.items} for slate in (home(), similar())]
    finally:
        proxy.delay_s = 0.0

    assert [everything - len(items) for items in shown] == [1, 2]
    assert not any("item00" in items for items in shown)
    assert "item03" not in shown[1]


def test_a_ranking_without_the_store_still_gives_the_callers_items(slowed: Slowed) -> None:
    shop, proxy = slowed
    proxy.delay_s = SLOW_S
    try:
        wait_until(lambda: how(ask(shop, "gil"))[1] == "store_unavailable")
        answer = shop.client.post("/v1/rank", json={"session_id": "gil", "item_ids": ["item07", "ghost", "item02"]})
    finally:
        proxy.delay_s = 0.0

    slate = RankAnswer.model_validate_json(answer.content)
    assert how(slate) == ("live", "store_unavailable")
    assert {item.item_id for item in slate.items} == {"item02", "item07"}
    assert slate.left_out_item_ids == ["ghost"]

"""The client against the real API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
import redis

from liveshelf_client import AsyncClient, BufferFull, Client, EventBuffer, EventsNotSent, NotFound, RefusedRequest
from recommender.eventlog import open_event_log
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.spec.test_slate import activity, catalogue

ITEMS = ("boot", "shoe", "lamp")


@pytest.fixture(scope="module")
def shop(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("client")
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    settings = Settings(data_dir=folder / "data", redis_url=redis_server, port=free_port(), dev=True)
    apply(settings)
    features = FeastFeatures.open(settings)
    features.write([catalogue(item, "Outdoor", 5) for item in ITEMS])
    features.write([activity(item, 1.0 + place, [], []) for place, item in enumerate(ITEMS)])
    features.close()
    with running_api(settings, folder / "api.log") as http:
        wait_until(lambda: len(http.get("/v1/trending").json()["items"]) == len(ITEMS), 60)
        yield settings


def url(settings: Settings) -> str:
    return f"http://127.0.0.1:{settings.port}"


def test_slates_ranks_and_items_come_as_typed_values(shop: Settings) -> None:
    with Client(url(shop)) as client:
        slate = client.slate(session_id="s1", n=2)
        assert (slate.surface, len(slate.items), len(slate.slate_id)) == ("home", 2, 32)
        assert [item.position for item in slate.items] == [0, 1]
        assert set(slate.item_ids) <= set(ITEMS)
        ranked = client.rank(["lamp", "unknown", "boot"], session_id="s1")
        assert sorted(ranked.item_ids) == ["boot", "lamp"]
        assert ranked.left_out_item_ids == ["unknown"]
        assert set(client.trending().item_ids) == set(ITEMS)
        assert set(client.similar("boot", n=5).item_ids) <= {"shoe", "lamp"}
        assert client.item("boot").available is True


def test_what_is_unknown_or_wrong_is_an_error_that_says_so(shop: Settings) -> None:
    with Client(url(shop)) as client:
        with pytest.raises(NotFound, match="no/such item"):
            client.item("no/such item")
        with pytest.raises(RefusedRequest, match=r"n: .*100") as refused:
            client.slate(session_id="s1", n=1_000)
        assert (refused.value.status, refused.value.code) == (422, "invalid_request")


def test_the_client_for_asyncio_does_the_same(shop: Settings) -> None:
    async def ask() -> tuple[list[str], bool, list[str]]:
        async with AsyncClient(url(shop)) as client:
            client.track("view", session_id="s2", item_id="lamp")
            slates = await asyncio.gather(*(client.slate(session_id=f"s{number}", n=3) for number in range(5)))
            with pytest.raises(NotFound):
                await client.similar("nothing")
            return slates[0].item_ids, (await client.item("shoe")).available, (await client.trending(n=1)).item_ids

    first, available, trending = asyncio.run(ask())
    assert (len(first), available, len(trending)) == (3, True, 1)


def test_tracked_events_are_in_the_event_log_once_the_client_is_closed(shop: Settings) -> None:
    log = open_event_log(shop)
    before = sum(log.ends().values())
    with Client(url(shop)) as client:
        ids = [client.track("view", user_id="anna", item_id="boot") for _ in range(450)]
    assert len(set(ids)) == 450
    assert sum(log.ends().values()) - before == 450
    log.close()


def test_tracked_events_are_in_the_event_log_after_a_flush(shop: Settings) -> None:
    log = open_event_log(shop)
    before = sum(log.ends().values())

    async def track() -> int:
        async with AsyncClient(url(shop)) as client:
            client.track("view", user_id="anna", item_id="boot")
            await client.flush()
            return sum(log.ends().values())

    with Client(url(shop)) as client:
        client.track("view", user_id="anna", item_id="boot")
        client.flush()
        assert sum(log.ends().values()) - before == 1
        client.track("view", user_id="anna")
        with pytest.raises(EventsNotSent, match="item_id"):
            client.flush()
    assert asyncio.run(track()) - before == 2
    log.close()


def test_events_that_wait_long_enough_are_sent_without_a_flush(shop: Settings) -> None:
    buffer = EventBuffer(url(shop), every_s=0.1)
    buffer.add("view", user_id="anna", item_id="boot")
    wait_until(lambda: len(buffer) == 0, 10)
    buffer.close()


def test_a_refused_event_is_told_of_with_its_reason_and_the_others_get_through(shop: Settings) -> None:
    buffer = EventBuffer(url(shop))
    buffer.add("view", user_id="anna", item_id="boot")
    buffer.add("view", user_id="anna")
    buffer.add("sneeze", user_id="anna", item_id="boot", event_id="e7")
    with pytest.raises(EventsNotSent, match=r"2 events not sent: .*item_id") as failed:
        buffer.flush(20)
    assert b'"e7"' in failed.value.failures[1][0]
    buffer.add("view", user_id="anna", item_id="boot")
    buffer.flush(20)
    buffer.close()


def test_events_alone_in_their_request_that_are_refused_are_told_of_too(shop: Settings) -> None:
    told: list[EventsNotSent] = []
    with Client(url(shop), on_error=told.append) as client:
        client.track("view", user_id="anna")
    assert [len(each.failures) for each in told] == [1]


def test_a_buffer_that_is_full_takes_no_more_and_close_tells_what_was_not_sent() -> None:
    buffer = EventBuffer(f"http://127.0.0.1:{free_port()}", holds=3, give_up_after_s=60)
    for _ in range(3):
        buffer.add("view", user_id="anna", item_id="boot")
    with pytest.raises(BufferFull, match="must hold at most 3 events"):
        buffer.add("view", user_id="anna", item_id="boot")
    started = time.monotonic()
    with pytest.raises(EventsNotSent, match="3 events not sent"):
        buffer.close(timeout_s=0.5)
    assert time.monotonic() - started < 10

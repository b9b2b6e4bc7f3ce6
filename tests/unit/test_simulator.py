from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from recommender.events import MICROSECONDS, decode_event
from recommender.simulator import Happening, Simulation, Slate, make_catalogue
from recommender.simulator.runs import Past, live, past_events, send_past
from recommender.simulator.shop_api import ShopApi
from recommender.simulator.simulation import Pace

START_US = 1_790_000_000 * MICROSECONDS
BUSY = Pace(20.0, daily_rhythm=False, delivery_s=120.0, return_s=600.0, recall_s=60.0)


def happenings(seed: int, seconds: int, slate: Slate | None = None) -> Iterator[dict[str, Any]]:
    shop = Simulation(seed, "run", START_US, BUSY)
    yield from shop.opening()
    moments = shop.run()
    moment = next(moments)
    while moment.time_us < START_US + seconds * MICROSECONDS:
        if isinstance(moment, Happening):
            yield moment.event
            moment = next(moments)
        else:
            moment = moments.send(slate)


@pytest.fixture(scope="module")
def half_an_hour() -> list[dict[str, Any]]:
    return list(happenings(1, 1_800))


def test_every_event_obeys_the_rules_of_its_kind(half_an_hour: list[dict[str, Any]]) -> None:
    for event in half_an_hour:
        decode_event(json.dumps(event))


def test_all_that_shoppers_do_comes_up(half_an_hour: list[dict[str, Any]]) -> None:
    assert {event["kind"] for event in half_an_hour} >= {
        "item_upsert", "stock_change", "view", "search", "add_to_cart", "remove_from_cart", "add_to_wishlist",
        "begin_checkout", "purchase", "payment", "refund", "survey_answer",
    }  # fmt: skip


def test_event_ids_are_unique_and_event_times_never_go_back(half_an_hour: list[dict[str, Any]]) -> None:
    assert len({event["event_id"] for event in half_an_hour}) == len(half_an_hour)
    times = [datetime.fromisoformat(event["event_time"]) for event in half_an_hour]
    assert times == sorted(times)


def test_the_same_seed_gives_the_same_events_and_another_seed_others() -> None:
    first = list(happenings(1, 120))
    assert list(happenings(1, 120)) == first
    assert list(happenings(2, 120)) != first


def test_the_shop_is_about_as_busy_as_asked(half_an_hour: list[dict[str, Any]]) -> None:
    times = [datetime.fromisoformat(event["event_time"]).timestamp() for event in half_an_hour]
    busy = sum(1 for time in times if time > START_US / MICROSECONDS + 300)
    assert 15.0 < busy / 1_500 < 25.0


def test_nothing_is_bought_that_is_not_in_stock(half_an_hour: list[dict[str, Any]]) -> None:
    stock: dict[str, int] = {}
    sold_out = 0
    for event in half_an_hour:
        if event["kind"] == "stock_change":
            stock[event["item_id"]] = event["stock"]
            sold_out += event["stock"] == 0
        elif event["kind"] == "purchase":
            assert stock[event["item_id"]] >= event["quantity"]
    assert sold_out > 5


def test_some_shoppers_are_known_and_some_are_not(half_an_hour: list[dict[str, Any]]) -> None:
    views = [event for event in half_an_hour if event["kind"] == "view"]
    known = sum("user_id" in event for event in views) / len(views)
    assert 0.5 < known < 0.9


def test_what_is_looked_at_in_one_visit_belongs_together(half_an_hour: list[dict[str, Any]]) -> None:
    """Two views in a row are far oftener on one shelf than by chance (1 in 12)."""
    visits: dict[str, list[str]] = {}
    for event in half_an_hour:
        if event["kind"] == "view":
            visits.setdefault(event["session_id"], []).append(event["item_id"].partition("-")[0])
    pairs = [pair for shelves in visits.values() for pair in pairwise(shelves)]
    assert sum(first == second for first, second in pairs) / len(pairs) > 0.5


def test_shoppers_see_slates_and_click_on_items_of_them() -> None:
    items = list(make_catalogue(random.Random("items 1")).items)[::60]
    events = list(happenings(1, 600, Slate("slate-1", items)))
    kinds = Counter(event["kind"] for event in events)
    clicks = [event for event in events if event["kind"] == "click"]
    assert kinds["exposure"] > 100
    assert 0.02 < len(clicks) / kinds["exposure"] < 0.8
    for click in clicks:
        assert items[click["context"]["position"]] == click["item_id"]
        assert click["context"]["slate_id"] == "slate-1"
    for event in events:
        decode_event(json.dumps(event))


def test_the_catalogue_has_named_priced_items_in_twelve_categories() -> None:
    catalogue = make_catalogue(random.Random(1))
    assert len(catalogue.items) == 600
    assert len({item.category for item in catalogue.items.values()}) == 12
    assert len({item.title for item in catalogue.items.values()}) > 590
    assert all(item.price_cents > 0 for item in catalogue.items.values())


class StandInApi:
    """Takes what a shop sends, and fails when told to."""

    def __init__(self, failures: int = 0) -> None:
        self.events: list[dict[str, Any]] = []
        self.slates = 0
        self._failures = failures

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self._failures:
            self._failures -= 1
            return httpx.Response(503)
        if request.url.path == "/v1/events":
            events = json.loads(request.content)
            self.events.extend(events)
            return httpx.Response(202, json={"accepted": len(events), "rejected": 0})
        self.slates += 1
        return httpx.Response(200, json={"slate_id": f"s{self.slates}", "items": [{"item_id": "boot-001"}]})

    def connection(self) -> ShopApi:
        return ShopApi(httpx.Client(base_url="http://shop", transport=httpx.MockTransport(self)))


def test_the_past_is_sent_once_even_when_the_api_fails_in_between(tmp_path: Path) -> None:
    api = StandInApi(failures=1)
    sent = send_past(api.connection(), tmp_path / "demo.json", 1, START_US)
    assert sent == len(api.events) == len({event["event_id"] for event in api.events})
    assert 15_000 < sent < 25_000
    past = Past.read(tmp_path / "demo.json")
    assert past is not None
    assert (past.complete, past.sent) == (True, sent)


def test_an_interrupted_past_goes_on_where_it_stopped(tmp_path: Path) -> None:
    past = Past(1, START_US - 5 * 86_400 * MICROSECONDS)
    everything = [event["event_id"] for event in past_events(past)]
    past.sent = 10_000
    past.write(tmp_path / "demo.json")
    api = StandInApi()
    send_past(api.connection(), tmp_path / "demo.json", 1, START_US + 99)
    assert [event["event_id"] for event in api.events] == everything[10_000:]


class ClockThatEnds:
    """Time passes only in sleep, up to an end."""

    class Over(Exception):
        pass

    def __init__(self, seconds: int) -> None:
        self.now_us = START_US
        self._end_us = START_US + seconds * MICROSECONDS

    def now(self) -> int:
        return self.now_us

    def sleep(self, seconds: float) -> None:
        self.now_us += round(seconds * MICROSECONDS)
        if self.now_us > self._end_us:
            raise self.Over


def test_live_events_are_sent_when_they_happen_and_follow_slates() -> None:
    api, clock = StandInApi(), ClockThatEnds(120)
    with pytest.raises(ClockThatEnds.Over):
        live(api.connection(), 1, 20.0, clock.now, clock.sleep)
    kinds = Counter(event["kind"] for event in api.events)
    assert kinds["exposure"] == pytest.approx(api.slates, abs=20)
    assert kinds["exposure"] > 50
    assert kinds["item_upsert"] == 0

"""Running the simulated shop against an API: first its past, in one go, then its present, as it happens."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import msgspec

from recommender.events import MICROSECONDS
from recommender.installation import write_atomically
from recommender.simulator.shop_api import ShopApi
from recommender.simulator.simulation import Pace, Simulation
from recommender.simulator.steps import Fields, Happening

DAYS = 5
PAST_EVENTS = 16_000
_BATCH = 500
_TOO_LATE_US = 60 * MICROSECONDS
_log = logging.getLogger(__name__)


class Past(msgspec.Struct):
    """How far the shop's past has been sent; kept in a file, so that it is sent once."""

    seed: int
    start_us: int
    sent: int = 0
    complete: bool = False

    def write(self, path: Path) -> None:
        """Keep it in a file."""
        write_atomically(path, msgspec.json.encode(self))

    @staticmethod
    def read(path: Path) -> Past | None:
        """Return what the file says, or None when there is none."""
        try:
            return msgspec.json.decode(path.read_bytes(), type=Past)
        except FileNotFoundError:
            return None


def past_events(past: Past, days: int = DAYS, events: int = PAST_EVENTS) -> Iterator[Fields]:
    """Yield the catalogue and the events of some days; always the same ones for the same past."""
    length_s = days * 86_400
    pace = Pace(events / length_s, daily_rhythm=True, delivery_s=21_600.0, return_s=86_400.0, recall_s=14_400.0)
    shop = Simulation(past.seed, f"past{past.start_us // MICROSECONDS}", past.start_us, pace)
    yield from shop.opening()
    for moment in shop.run():
        if moment.time_us >= past.start_us + length_s * MICROSECONDS:
            return
        if isinstance(moment, Happening):
            yield moment.event


def send_past(api: ShopApi, file: Path, seed: int, now_us: int) -> int:
    """Send the shop's past, from where an interrupted run has left it; return how many events that makes.

    Args:
        api: where to.
        file: keeps how far it has come.
        seed: of the shop.
        now_us: where the past ends.
    """
    past = Past.read(file) or Past(seed, now_us - DAYS * 86_400 * MICROSECONDS)
    past.write(file)
    for batch in _batches(islice(past_events(past), past.sent, None)):
        api.send(batch)
        past.sent += len(batch)
        past.write(file)
        _log.info("past: %d events sent", past.sent)
    past.complete = True
    past.write(file)
    return past.sent


def live(
    api: ShopApi,
    seed: int,
    events_per_s: float,
    now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send what happens when it happens, and use the slates that the API gives. Without end.

    When the clock has run away (the computer slept, or the API was down), the shop begins anew instead of
    catching up.
    """
    while True:
        start_us = now_us()
        pace = Pace(events_per_s, daily_rhythm=False, delivery_s=120.0, return_s=600.0, recall_s=180.0)
        shop = Simulation(seed, f"live{start_us // MICROSECONDS}", start_us, pace)
        for levels in _batches(event for event in shop.opening() if event["kind"] == "stock_change"):
            api.send(levels)
        _log.info("live: the shop is open, about %.0f events a second", events_per_s)
        _keep_open(shop, api, now_us, sleep)


def _keep_open(shop: Simulation, api: ShopApi, now_us: Callable[[], int], sleep: Callable[[float], None]) -> None:
    moments = shop.run()
    waiting: list[Fields] = []
    moment = next(moments)
    while True:
        ahead_us = moment.time_us - now_us()
        if ahead_us < -_TOO_LATE_US:
            _log.warning("live: %.0f s behind; the shop begins anew", -ahead_us / MICROSECONDS)
            return
        if waiting and (ahead_us > 0 or len(waiting) >= _BATCH or not isinstance(moment, Happening)):
            api.send(waiting)
            waiting = []
        if ahead_us > 0:
            sleep(ahead_us / MICROSECONDS)
        if isinstance(moment, Happening):
            waiting.append(moment.event)
            moment = next(moments)
        else:
            moment = moments.send(api.slate(moment))


def _batches(events: Iterator[Fields]) -> Iterator[list[Fields]]:
    while batch := list(islice(events, _BATCH)):
        yield batch

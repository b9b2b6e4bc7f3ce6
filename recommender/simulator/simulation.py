"""The simulated shop as one stream of events in time order."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial

from recommender.events import MICROSECONDS, utc_from_us
from recommender.simulator.catalogue import CURRENCY, make_catalogue, upsert_event
from recommender.simulator.shopper import Shopper, make_shopper
from recommender.simulator.steps import Fields, Happening, Slate, SlateWanted
from recommender.simulator.stock import Stock
from recommender.simulator.visit import Act, Ask, Bought, Steps, Visit, stock_change

USERS = 600
EVENTS_PER_VISIT = 9.5
"""On average, without slates [count]."""
_KNOWN_SHARE = 0.7
_RETURN_SHARE = 0.12
_DAY_US = 86_400 * MICROSECONDS

Moments = Generator[Happening | SlateWanted, Slate | None, None]


@dataclass(frozen=True)
class Pace:
    """How busy the shop is, and how fast its suppliers and returns are."""

    events_per_s: float
    daily_rhythm: bool
    """Fewer visits by night, more in the evening."""
    delivery_s: float
    return_s: float
    recall_s: float
    """How often, on average, a much wanted item is taken off sale until the next delivery."""


class Simulation:
    """The shop from an instant on.

    Args:
        seed: the items and the known shoppers follow from it alone.
        run_id: part of all ids that must not come again in another run.
        start_us: when it begins, microseconds since 1970-01-01 UTC.
        pace: how busy it is.
    """

    def __init__(self, seed: int, run_id: str, start_us: int, pace: Pace) -> None:
        self.catalogue = make_catalogue(random.Random(f"items {seed}"))  # noqa: S311
        users = random.Random(f"users {seed}")  # noqa: S311
        self.shoppers = [make_shopper(f"user-{number:03d}", users) for number in range(1, USERS + 1)]
        self._rng = random.Random(f"run {seed} {run_id}")  # noqa: S311
        self._run_id = run_id
        self._start_us = start_us
        self._pace = pace
        self._stock = Stock(self.catalogue.items, self._rng)
        self._present: set[str] = set()
        self._events = 0
        self._visits = 0
        self._due: list[tuple[int, int, Callable[[int], Moments]]] = []
        self._scheduled = 0

    def opening(self) -> Iterator[Fields]:
        """Yield the catalogue: every item, and its stock."""
        for item in self.catalogue.items.values():
            yield self._whole(upsert_event(item), self._start_us)
            yield self._whole(stock_change(item.item_id, self._stock.level(item.item_id)), self._start_us)

    def run(self) -> Moments:
        """Yield what happens and the slates that are wanted, in time order, without end.

        A slate is sent in as the answer to `SlateWanted`; None means that the page shows none.
        """
        self._schedule(self._start_us, self._arrival)
        self._schedule_in(self._start_us, self._rng.expovariate(1.0 / self._pace.recall_s), self._recall)
        while True:
            time_us, _, happen = heapq.heappop(self._due)
            yield from happen(time_us)

    def _schedule(self, time_us: int, happen: Callable[[int], Moments]) -> None:
        self._scheduled += 1
        heapq.heappush(self._due, (time_us, self._scheduled, happen))

    def _schedule_in(self, now_us: int, wait_s: float, happen: Callable[[int], Moments]) -> None:
        self._schedule(now_us + int(wait_s * MICROSECONDS), happen)

    def _arrival(self, now_us: int) -> Moments:
        busy = 1.0
        if self._pace.daily_rhythm:
            busy = 1.0 - 0.8 * math.cos(2 * math.pi * (now_us % _DAY_US / _DAY_US - 0.15))
        visits_per_s = busy * self._pace.events_per_s / EVENTS_PER_VISIT
        self._schedule_in(now_us, min(self._rng.expovariate(visits_per_s), 1_800.0), self._arrival)
        shopper = self._who_comes()
        self._visits += 1
        session_id = f"{self._run_id}-{self._visits:06d}"
        visit = Visit(shopper, session_id, self.catalogue, self._stock, self._rng)
        self._go_on(shopper, session_id, visit.steps(), None, now_us)
        yield from ()  # coming alone is no event

    def _who_comes(self) -> Shopper:
        if self._rng.random() < _KNOWN_SHARE:
            shopper = self._rng.choice(self.shoppers)
            if shopper.user_id is not None and shopper.user_id not in self._present:
                self._present.add(shopper.user_id)
                return shopper
        return make_shopper(None, self._rng)

    def _go_on(self, shopper: Shopper, session_id: str, steps: Steps, slate: Slate | None, now_us: int) -> None:
        """Let a visit go on to its next step, and note that for later."""
        try:
            step = steps.send(slate)
        except StopIteration as left:
            self._leave(shopper, session_id, left.value, now_us)
        else:
            self._schedule_in(now_us, step.wait_s, partial(self._take, shopper, session_id, steps, step))

    def _take(self, shopper: Shopper, session_id: str, steps: Steps, step: Act | Ask, now_us: int) -> Moments:
        slate = None
        if isinstance(step, Act):
            yield Happening(now_us, self._whole(step.event, now_us))
            if step.event["kind"] == "stock_change":
                self._order_if_low(step.event["item_id"], now_us)
        else:
            slate = yield SlateWanted(now_us, _request(step, shopper, session_id))
        self._go_on(shopper, session_id, steps, slate, now_us)

    def _leave(self, shopper: Shopper, session_id: str, bought: list[Bought], now_us: int) -> None:
        if shopper.user_id is not None:
            self._present.discard(shopper.user_id)
        for line in bought:
            if self._rng.random() < _RETURN_SHARE:
                wait_s = self._rng.uniform(0.5, 1.5) * self._pace.return_s
                self._schedule_in(now_us, wait_s, partial(self._refund, shopper, session_id, line))

    def _refund(self, shopper: Shopper, session_id: str, line: Bought, now_us: int) -> Moments:
        refund: Fields = {
            "kind": "refund",
            "order_id": line.order_id,
            "item_id": line.item.item_id,
            "quantity": line.quantity,
            "price_cents": line.item.price_cents,
            "currency": CURRENCY,
        } | ({"session_id": session_id} if shopper.user_id is None else {"user_id": shopper.user_id})
        yield Happening(now_us, self._whole(refund, now_us))
        self._stock.put_back(line.item.item_id, line.quantity)
        yield self._stock_told(line.item.item_id, now_us)

    def _order_if_low(self, item_id: str, now_us: int) -> None:
        if self._stock.order_if_low(item_id):
            wait_s = self._rng.uniform(0.5, 1.5) * self._pace.delivery_s
            self._schedule_in(now_us, wait_s, partial(self._delivery, item_id))

    def _delivery(self, item_id: str, now_us: int) -> Moments:
        self._stock.deliver(item_id)
        yield self._stock_told(item_id, now_us)

    def _recall(self, now_us: int) -> Moments:
        """Take a much wanted item off sale until the next delivery."""
        self._schedule_in(now_us, self._rng.expovariate(1.0 / self._pace.recall_s), self._recall)
        items = list(self.catalogue.items.values())
        item = self._rng.choices(items, [math.exp(2.0 * item.appeal) for item in items])[0]
        self._stock.withdraw(item.item_id)
        yield self._stock_told(item.item_id, now_us)
        self._order_if_low(item.item_id, now_us)

    def _stock_told(self, item_id: str, now_us: int) -> Happening:
        return Happening(now_us, self._whole(stock_change(item_id, self._stock.level(item_id)), now_us))

    def _whole(self, fields: Fields, now_us: int) -> Fields:
        self._events += 1
        return {
            "event_id": f"{self._run_id}-e{self._events:07d}",
            "event_time": utc_from_us(now_us).isoformat(),
            **fields,
        }


def _request(ask: Ask, shopper: Shopper, session_id: str) -> Fields:
    request: Fields = {
        "surface": ask.surface,
        "user_id": shopper.user_id,
        "session_id": session_id,
        "item_id": ask.item_id,
        "query": ask.query or None,
        "device": shopper.device,
        "country": shopper.country,
    }
    return {name: value for name, value in request.items() if value is not None}

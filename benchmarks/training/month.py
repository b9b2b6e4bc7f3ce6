"""One month of a simulated shop, drawn by NumPy: visits, what is looked at one after the other, orders, habits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.events import ItemUpsert, utc_from_us
from recommender.features.interaction import Interaction

MONTH_US = 30 * 86_400 * 1_000_000
START_US = 1_700_006_400_000_000  # a midnight, UTC
EVENTS_PER_VISIT = 7
EVENTS_PER_USER = 40
_KNOWN = 0.7
"""Share of visits by known users."""
_FAVOURITES, _HABITS = 3, 5
"""Categories that a user likes, and items that a user buys again and again."""
_ON, _AGAIN, _HABIT = 0.35, 0.1, 0.1
"""How often the next look goes on to an item that goes with the last one, back to it, or to a habit."""
_KINDS = ("view", "add_to_cart", "purchase", "search")
_KIND_SHARES = (0.82, 0.08, 0.05, 0.05)
_ZIPF = 1.05
_DEVICES, _COUNTRIES = ("mobile", "desktop", "tablet"), ("DE", "FR", "GB", "NL", "AT")

Ints = npt.NDArray[np.int64]


class Range(NamedTuple):
    """What the shop sells: items are in categories by turns, the most wanted first."""

    items: int
    categories: int

    def category(self, item: int) -> tuple[str, str]:
        """Return the path of an item's category."""
        leaf = item % self.categories
        return f"Area {leaf % 20}", f"Kind {leaf}"

    def catalogue(self) -> Iterator[ItemUpsert]:
        """Yield what the shop says of its items."""
        time = utc_from_us(START_US)
        for item in range(self.items):
            yield ItemUpsert(
                event_id=f"catalogue-{item}",
                event_time=time,
                item_id=f"item-{item:06d}",
                title=f"Thing {item % 97} of sort {item // self.categories % 31}",
                category=self.category(item),
                brand=f"Brand {item * 7 % 211}",
                price_cents=100 + item * 7_919 % 20_000,
                currency="EUR",
                tags=(f"style {item % 13}",),
            )


def range_for(events: int) -> Range:
    """Return a range of a size that goes with a month of so many events."""
    return Range(items=max(200, min(50_000, events // 10)), categories=max(10, min(400, events // 1_000)))


def month(events: int, shop: Range, seed: int = 1) -> Iterator[Interaction]:
    """Yield a month of events in order of time."""
    draw = np.random.default_rng(seed)
    visits = max(1, events // EVENTS_PER_VISIT)
    sizes = np.minimum(draw.geometric(1 / EVENTS_PER_VISIT, visits), 60)
    visit = np.repeat(np.arange(visits), sizes)[:events]
    if len(visit) < events:  # by chance the visits were short
        visit = np.append(visit, np.full(events - len(visit), visits - 1))
    users = max(1, events // EVENTS_PER_USER)
    user_of_visit = np.where(draw.random(visits) < _KNOWN, draw.integers(0, users, visits), -1)
    begin = np.sort(draw.integers(0, MONTH_US - 86_400_000_000, visits))
    is_first = np.append(True, visit[1:] != visit[:-1])
    gaps = np.where(is_first, 0, draw.lognormal(3.2, 0.9, events) * 1e6).astype(np.int64)
    since_first = np.cumsum(gaps)
    times_us = START_US + begin[visit] + since_first - np.maximum.accumulate(np.where(is_first, since_first, 0))
    user = user_of_visit[visit]
    items = _items(draw, shop, visit, is_first, user, users)
    kinds = draw.choice(len(_KINDS), events, p=_KIND_SHARES)
    kinds[is_first] = 0
    after_look = np.flatnonzero(np.isin(kinds, (1, 2)))
    items[after_look] = items[after_look - 1]  # what is put into the cart or bought was looked at just before
    for event in np.argsort(times_us, kind="stable").tolist():
        yield _event(
            event, shop, int(visit[event]), int(times_us[event]), int(user[event]), int(items[event]), int(kinds[event])
        )


def _items(
    draw: np.random.Generator, shop: Range, visit: Ints, is_first: npt.NDArray[np.bool_], user: Ints, users: int
) -> Ints:
    """Return the item that each event is about: mostly of one category in a visit, and one leads to the next."""
    events, depth = len(visit), shop.items // shop.categories
    favourites = draw.zipf(1.3, (users, _FAVOURITES)) % shop.categories
    habits = (draw.zipf(_ZIPF, (users, _HABITS)) * 31) % shop.items
    visits = int(visit[-1]) + 1
    visitor = np.maximum(user[is_first.nonzero()[0]], 0)
    liked = favourites[visitor, draw.integers(0, _FAVOURITES, len(visitor))]
    stranger = user[is_first.nonzero()[0]] < 0
    topic = np.zeros(visits, np.int64)
    topic[visit[is_first]] = np.where(stranger, draw.zipf(1.3, len(visitor)) % shop.categories, liked)
    fresh = topic[visit] + shop.categories * (draw.zipf(_ZIPF, events) % depth)
    chance = draw.random(events)
    is_habit = (user >= 0) & (chance > 1 - _HABIT)
    fresh[is_habit] = habits[user[is_habit], draw.integers(0, _HABITS, int(is_habit.sum()))]
    steps = np.where(chance < _ON, shop.categories, np.where(chance < _ON + _AGAIN, 0, -1))
    steps[is_first | is_habit] = -1
    items = fresh
    for _ in range(60):  # no visit is longer; each round settles one place more of all runs that lead on
        goes_on = steps >= 0
        items[goes_on] = (np.append(0, items[:-1])[goes_on] + steps[goes_on]) % (depth * shop.categories)
    return items


def _event(number: int, shop: Range, visit: int, time_us: int, user: int, item: int, kind: int) -> Interaction:
    event = Interaction(f"e{number:08d}", _KINDS[kind], time_us, f"v{visit:07d}")
    if user >= 0:
        event.user_id = f"u{user:06d}"
    event.device, event.country = _DEVICES[visit % 3], _COUNTRIES[visit * 7 % 5]
    if event.kind == "search":
        event.query = f"thing sort {item % 31}"
        return event
    event.item_id = f"item-{item:06d}"
    if event.kind == "purchase":
        event.order_id = f"o{visit:07d}"
    return event

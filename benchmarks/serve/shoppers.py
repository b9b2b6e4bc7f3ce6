"""Made-up shoppers with a past: their rows come from the very folds of the stream."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.rollback.shop import category_of, item_ids
from recommender.features import FeatureRow, Interaction, implicit_session
from recommender.features.memory import FeatureMemory

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000
_CATEGORIES = 200
_EARLIER = 12
"""Events of earlier days; every fourth is a purchase."""
_VISIT = 5
"""Views of the visit that has just begun."""


def user_id(number: int) -> str:
    """Return the id of a shopper."""
    return f"user-{number:06d}"


def rows(shoppers: int, items: int, now_us: int, seed: int = 0) -> Iterator[list[FeatureRow]]:
    """Yield the rows of each shopper: known for three days, lately looking around in one category.

    Items are looked at as the shop's activity has it, by Zipf's law with exponent 1, the first one most often.
    """
    rng, ids = np.random.default_rng(seed), item_ids(items)
    chances = np.cumsum(1.0 / np.arange(1, items + 1))
    for number in range(shoppers):
        name, memory = user_id(number), FeatureMemory()
        places = np.searchsorted(chances, rng.random(_EARLIER + 1) * chances[-1]).tolist()
        for at, place in enumerate(places[:_EARLIER]):
            kind = "purchase" if at % 4 == 3 else "view"
            memory.take(_event(name, ids, place, kind, now_us - 3 * _DAY_US + at * _DAY_US // 6, at), items=False)
        for at in range(_VISIT):
            place = (places[_EARLIER] + _CATEGORIES * at) % items
            event = _event(name, ids, place, "view", now_us - (10 - at) * _MINUTE_US, _EARLIER + at)
            memory.take(event, items=False)
        known = memory.shopper(name, "", now_us)
        yield [row for row in (known.user, known.items, known.purchases, *known.sessions) if row is not None]


def _event(name: str, ids: list[str], place: int, kind: str, time_us: int, number: int) -> Interaction:
    return Interaction(
        event_id=f"{name}-{number}",
        kind=kind,
        time_us=time_us,
        session_id=implicit_session(name),
        user_id=name,
        item_id=ids[place],
        category=category_of(place),
        brand=f"brand{place % 500}",
        price_cents=1_000 + place % 9_000,
        currency="EUR",
        order_id=f"{name}-{number}" if kind == "purchase" else "",
        device="mobile",
    )

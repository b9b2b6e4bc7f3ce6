"""What a shopper is interested in at this moment, as the feature rows tell it.

Recency is by order and by the distance to the shopper's own latest look, not to the clock, so that a replay of old
events is served as it would have been. What only time changes, the rows know: they hold as of the request.
"""

from __future__ import annotations

import msgspec

from recommender.features.shopper import Shopper

ORDER_DECAY = 0.7
"""Weight of a recent item relative to the next later one."""
LOOK_HALF_LIFE_MS = 6 * 3_600_000
TASTE_SHARE = 0.3
"""Weight of a known user's lasting taste relative to the categories of the recent items."""
_RECENT_ITEMS = 12


class Look(msgspec.Struct, frozen=True):
    """What a shopper has had to do with an item."""

    at_ms: int
    """The latest time [ms since 1970 UTC]."""
    times: int
    """How often, as far as it is remembered; at least 1."""


class Bought(msgspec.Struct, frozen=True):
    """What a known user has bought of an item."""

    orders: int
    units: int
    last_at_ms: int
    interval_days: float
    """Mean time between purchases; 0 for a single one."""


class Interest(msgspec.Struct, frozen=True):
    """Weights are unitless, the strongest first."""

    items: dict[str, float]
    """Items looked at lately."""
    looked: dict[str, Look]
    """All items known to have been looked at, over all visits, the latest first."""
    bought: dict[str, Bought]
    """Items bought, the latest first."""
    categories: dict[str, float]
    brands: dict[str, float]
    cart: list[str]
    latest_query: str
    price_level_cents: float
    """Mean price of what the shopper looks at; 0 if unknown."""
    known_user: bool

    def __bool__(self) -> bool:
        return bool(self.looked or self.bought or self.categories or self.cart or self.latest_query)


def interest(shopper: Shopper) -> Interest:
    """Return a shopper's interest."""
    looks = sorted(
        (
            (-at_ms, item_id, category)
            for session in shopper.sessions
            for item_id, at_ms, category in zip(
                session.recent_items, session.recent_item_at_ms, session.recent_categories, strict=True
            )
        ),
    )
    lasting = shopper.items
    times = dict(zip(lasting.items, lasting.looks, strict=True)) if lasting else {}
    looked: dict[str, Look] = {}
    items: dict[str, float] = {}
    categories: dict[str, float] = {}
    for minus_at_ms, item_id, category in looks:
        if item_id in looked:
            continue
        looked[item_id] = Look(-minus_at_ms, times.get(item_id, 1))
        if len(items) < _RECENT_ITEMS:
            age = (minus_at_ms - looks[0][0]) / LOOK_HALF_LIFE_MS
            weight = items[item_id] = ORDER_DECAY ** len(items) * 2.0**-age
            if category:
                categories[category] = categories.get(category, 0.0) + weight
    if lasting is not None:
        in_sessions = bool(looked)
        for item_id, at_ms, count in zip(lasting.items, lasting.last_at_ms, lasting.looks, strict=True):
            look = looked.get(item_id)
            if look is None or look.at_ms < at_ms:  # in another session
                looked[item_id] = Look(at_ms, count)
        if in_sessions:
            looked = dict(sorted(looked.items(), key=lambda entry: -entry[1].at_ms))
    user, bought = shopper.user, shopper.purchases
    brands: dict[str, float] = {}
    if user is not None:
        whole = sum(user.top_category_scores)
        for category, score in zip(user.top_categories, user.top_category_scores, strict=True):
            categories[category] = categories.get(category, 0.0) + TASTE_SHARE * score / (whole or 1.0)
        brands = dict(zip(user.top_brands, user.top_brand_scores, strict=True))
    query = next((query for session in shopper.sessions for query in session.recent_queries), "")
    return Interest(
        items or {item_id: ORDER_DECAY**place for place, item_id in enumerate(list(looked)[:_RECENT_ITEMS])},
        looked,
        {
            item_id: Bought(orders, units, at_ms, interval)
            for item_id, orders, units, at_ms, interval in zip(
                bought.items, bought.orders, bought.units, bought.last_at_ms, bought.interval_days, strict=True
            )
        }
        if bought
        else {},
        dict(sorted(categories.items(), key=lambda entry: (-entry[1], entry[0]))),
        brands,
        list(dict.fromkeys(item_id for session in shopper.sessions for item_id in session.cart_items)),
        query,
        user.price_level_cents if user else 0.0,
        user is not None,
    )

"""What the model knows of a shopper and of an item: weighted bags of named features.

Training and serving both describe by these functions, so what is trained is what is served. A feature is a
group and a value, ``"recent=4711"``. Each group has a length of its own, the Euclidean length of the weights of
its values, however many they are; the latest of a shopper's values weigh most.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, repeat
from operator import itemgetter
from typing import TypeVar

from recommender.events import category_levels
from recommender.features.shopper import Shopper
from recommender.features.windows import SECOND_US

Description = dict[str, float]
"""Feature name to weight."""

DECAY = 0.6
"""Weight of a shopper's recent item, category or query relative to the next later one."""
NEGLIGIBLE = 0.01
"""Weight, relative to the latest, from which on older ones are left out."""
RECENT_ITEMS = 20
BOUGHT_ITEMS = 30
QUERIES = 3
CART_ITEMS = 10
TITLE_TOKENS = 16
WEIGHTS = {
    "recent": 1.0,
    "browsed": 0.7,
    "cart": 0.5,
    "bought": 0.7,
    "query": 1.0,
    "user": 0.5,
    "likes": 0.5,
    "likes_brand": 0.3,
    "device": 0.2,
    "country": 0.2,
    "hour": 0.1,
    "item": 1.0,
    "category": 0.7,
    "brand": 0.4,
    "price": 0.2,
    "title": 0.5,
    "tag": 0.4,
}
"""Group to length, first a shopper's, then an item's.

``browsed`` holds the categories of ``recent``; ``likes`` and ``likes_brand`` the lasting taste of a known user.
"""
CONTEXT_GROUPS = frozenset({"device", "country", "hour"})
"""Groups that say nothing about this shopper in particular."""

T = TypeVar("T")

_TOKEN = re.compile(r"\w+")
_HOUR_US = 3_600 * SECOND_US
_levels_of = lru_cache(maxsize=1 << 16)(category_levels)


def describe_shopper(
    shopper: Shopper,
    *,
    now_us: int,
    device: str = "",
    country: str = "",
    query: str = "",
) -> Description:
    """Describe a shopper as of ``now_us``.

    Args:
        shopper: the feature rows as of ``now_us``; recent items of sessions and of a known user are merged by time.
        now_us: gives the hour of the day; recency goes by order alone, so it holds in a replay as well.
        device: kind of device of the request; without it, the latest session's.
        country: ISO 3166-1 alpha-2 of the request; without it, the latest session's.
        query: what is searched for in this request; it comes before the session's queries.
    """
    description: Description = {}
    sessions, user = shopper.sessions, shopper.user
    recent = _merged(shopper)
    _by_recency(description, "recent", [[item for item, _ in looks] for looks in recent])
    _by_recency(description, "browsed", [_levels(category for _, category in looks) for looks in recent])
    cart = dict.fromkeys(item for session in sessions for item in session.cart_items)
    _add(description, "cart", dict.fromkeys(list(cart)[:CART_ITEMS], 1.0))
    if shopper.purchases is not None:
        bought = zip(shopper.purchases.last_at_ms, shopper.purchases.items, strict=True)
        _by_recency(description, "bought", _together((at_ms, [item]) for at_ms, item in islice(bought, BOUGHT_ITEMS)))
    queries = [query] if query else []
    queries += [text for session in sessions for text in session.recent_queries if text != query]
    _by_recency(description, "query", [tokens(text) for text in queries[:QUERIES]])
    user_id = user.user_id if user else next((session.user_id for session in sessions if session.user_id), "")
    _add_one(description, "user", user_id)
    if user is not None:
        _add(
            description,
            "likes",
            _with_levels(zip(user.top_categories, user.top_category_scores, strict=True)),
        )
        _add(description, "likes_brand", dict(zip(user.top_brands, user.top_brand_scores, strict=True)))
    _add_one(description, "device", device or next((s.device for s in sessions if s.device), ""))
    _add_one(description, "country", country or next((s.country for s in sessions if s.country), ""))
    _add_one(description, "hour", str(now_us // _HOUR_US % 24))
    return description


def describe_item(
    item_id: str, category: str, brand: str, price_cents: int, title: str, tags: Sequence[str]
) -> Description:
    """Describe an item. Unknown texts are empty, an unknown price is negative; each price band is twice the last."""
    description: Description = {}
    _add_one(description, "item", item_id)
    _add(description, "category", dict.fromkeys(category_levels(category), 1.0))
    _add_one(description, "brand", brand)
    _add_one(description, "price", str(price_cents.bit_length()) if price_cents >= 0 else "")
    _add(description, "title", dict.fromkeys(tokens(title)[:TITLE_TOKENS], 1.0))
    _add(description, "tag", dict.fromkeys(tags, 1.0))
    return description


def group_of(feature: str) -> str:
    """Return the group of a feature."""
    return feature.partition("=")[0]


def tokens(text: str) -> list[str]:
    """Return the words of a text in one spelling, each once, in their order."""
    return list(dict.fromkeys(_TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())))


def _merged(shopper: Shopper) -> list[list[tuple[str, str]]]:
    """Return the recent items with their categories, each item once, those of one instant together, latest first."""
    looks = [
        look
        for session in shopper.sessions
        for look in zip(session.recent_item_at_ms, session.recent_items, session.recent_categories, strict=True)
    ]
    if shopper.items is not None:
        looks += zip(shopper.items.last_at_ms, shopper.items.items, repeat(""))
    if len(shopper.sessions) + (shopper.items is not None) > 1:
        looks.sort(key=itemgetter(0), reverse=True)  # stable: of one look the session's, which has the category
    seen: set[str] = set()
    merged: list[tuple[int, list[tuple[str, str]]]] = []
    for at_ms, item, category in looks:
        if len(seen) == RECENT_ITEMS:
            break
        if item not in seen:
            seen.add(item)
            merged.append((at_ms, [(item, category)]))
    return _together(merged)


def _together(places: Iterable[tuple[int, list[T]]]) -> list[list[T]]:
    """Return the values in their order, those of one instant at one place."""
    found: list[list[T]] = []
    previous_ms = -1
    for at_ms, values in places:
        if at_ms == previous_ms:
            found[-1] += values
        else:
            found.append(list(values))
        previous_ms = at_ms
    return found


def _levels(categories: Iterable[str]) -> list[str]:
    return [level for category in categories for level in _levels_of(category)]


def _by_recency(description: Description, group: str, places: Iterable[Sequence[str]]) -> None:
    """Add the values at each place, each place weighing less than the one before."""
    weights: dict[str, float] = {}
    weight = 1.0
    for values in places:
        if weight < NEGLIGIBLE:
            break
        for value in values:
            weights[value] = weights.get(value, 0.0) + weight
        weight *= DECAY
    _add(description, group, weights)


def _with_levels(scores: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the scores of categories and of all above them, which sum up."""
    summed: dict[str, float] = {}
    for category, score in scores:
        for level in _levels_of(category):
            summed[level] = summed.get(level, 0.0) + score
    return summed


def _add_one(description: Description, group: str, value: str) -> None:
    if value:
        _add(description, group, {value: 1.0})


def _add(description: Description, group: str, weights: Mapping[str, float]) -> None:
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    if length:
        scale = WEIGHTS[group] / length
        for value, weight in weights.items():
            description[f"{group}={value}"] = weight * scale

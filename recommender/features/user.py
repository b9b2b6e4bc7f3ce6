"""User features: how often, how lately and what a known shopper looks at and buys."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.decay import DecayedSums
from recommender.features.interaction import Interaction, digest
from recommender.features.row import FeatureRow, TimeUs, count
from recommender.features.windows import SECOND_US, WINDOW_30D, PaneCount, WindowCounts

AFFINITY_HALF_LIFE_US = 7 * 86_400 * SECOND_US
INTEREST = {"view": 1.0, "click": 1.0, "add_to_wishlist": 2.0, "add_to_cart": 3.0, "purchase": 5.0}
"""How much one event of a kind says about a shopper's taste [unitless]."""
TOP = 10
_KEPT_KEYS = 64
_KEPT_ORDERS = 64
_MOST_CENTS = 2**63 - 1
_PRICE_WEIGHT, _PRICE_SUM = "weight", "weighted log price"

Score = Annotated[float, msgspec.Meta(ge=0)]


class UserFeatures(FeatureRow):
    """One known shopper. Money is in ``currency``, that of the latest priced order line."""

    view: ClassVar[str] = "user"
    entity: ClassVar[str] = "user_id"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("top_categories", "top_category_scores"),
        ("top_brands", "top_brand_scores"),
    )

    user_id: str
    feature_time_us: TimeUs
    views_5m: Annotated[int, count("item views in 5 minutes")]
    views_1h: Annotated[int, count("item views in 1 hour")]
    views_24h: Annotated[int, count("item views in 24 hours")]
    carts_5m: Annotated[int, count("additions to the cart in 5 minutes")]
    carts_1h: Annotated[int, count("additions to the cart in 1 hour")]
    carts_24h: Annotated[int, count("additions to the cart in 24 hours")]
    purchases_30d: Annotated[int, count("order lines bought in 30 days")]
    purchase_count: Annotated[int, count("order lines ever bought")]
    order_count: Annotated[int, count("orders ever placed")]
    refund_count: Annotated[int, count("refunds ever given")]
    first_purchase_at_ms: Annotated[int, msgspec.Meta(ge=0, description="[ms since 1970 UTC]; 0 for never")]
    last_purchase_at_ms: Annotated[int, msgspec.Meta(ge=0, description="[ms since 1970 UTC]; 0 for never")]
    average_order_cents: Annotated[
        float,
        msgspec.Meta(ge=0, description="value of the priced orders in `currency`, per order [cents]; 0 for none"),
    ]
    currency: Annotated[str, msgspec.Meta(description="ISO 4217; empty when no priced order is known")]
    price_level_cents: Annotated[
        float,
        msgspec.Meta(
            ge=0,
            description="geometric mean price of the items looked at, half-life 7 days [cents]; 0 if unknown",
        ),
    ]
    top_categories: Annotated[list[str], msgspec.Meta(description="categories by interest, half-life 7 days, up to 10")]
    top_category_scores: Annotated[list[Score], msgspec.Meta(description="interest in each of top_categories")]
    top_brands: Annotated[list[str], msgspec.Meta(description="brands by interest, half-life 7 days, up to 10")]
    top_brand_scores: Annotated[list[Score], msgspec.Meta(description="interest in each of top_brands")]


class UserState(msgspec.Struct, array_like=True):
    """What is remembered of a shopper to compute the next row."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    views: WindowCounts = msgspec.field(default_factory=WindowCounts)
    carts: WindowCounts = msgspec.field(default_factory=WindowCounts)
    purchases: PaneCount = msgspec.field(default_factory=PaneCount)
    purchase_count: int = 0
    order_count: int = 0
    refund_count: int = 0
    first_purchase_us: int = 0
    last_purchase_us: int = 0
    orders: dict[int, int] = {}
    priced_orders: dict[int, int] = {}
    money: dict[str, tuple[int, int]] = {}
    """Currency to (value of order lines [cents], number of orders)."""
    currency: tuple[int, str] = (0, "")
    categories: DecayedSums = msgspec.field(default_factory=DecayedSums)
    brands: DecayedSums = msgspec.field(default_factory=DecayedSums)
    prices: DecayedSums = msgspec.field(default_factory=DecayedSums)


def fold(state: UserState, event: Interaction) -> None:
    """Take an event of this shopper, neither repeated nor late, into the state."""
    time_us = event.time_us
    state.clock.see(time_us)
    kind = event.kind
    if kind == "view":
        state.views.add(time_us)
    elif kind == "add_to_cart":
        state.carts.add(time_us)
    elif kind == "purchase":
        _purchase(state, event)
    elif kind == "refund":
        state.refund_count += 1
    interest = INTEREST.get(kind)
    if interest is None:
        return
    if event.category:
        state.categories.add(event.category, time_us, interest, AFFINITY_HALF_LIFE_US)
        state.categories.prune(_KEPT_KEYS, _KEPT_KEYS)
    if event.brand:
        state.brands.add(event.brand, time_us, interest, AFFINITY_HALF_LIFE_US)
        state.brands.prune(_KEPT_KEYS, _KEPT_KEYS)
    if event.price_cents > 0:
        state.prices.add(_PRICE_WEIGHT, time_us, interest, AFFINITY_HALF_LIFE_US)
        state.prices.add(_PRICE_SUM, time_us, interest * math.log(event.price_cents), AFFINITY_HALF_LIFE_US)


def row(user_id: str, state: UserState) -> UserFeatures:
    """Return the shopper's row as of its clock."""
    now_us = state.clock.feature_time_us
    categories = state.categories.top(TOP, now_us, AFFINITY_HALF_LIFE_US)
    brands = state.brands.top(TOP, now_us, AFFINITY_HALF_LIFE_US)
    value, orders = state.money.get(state.currency[1], (0, 0))
    weights = state.prices.sums
    return UserFeatures(
        user_id,
        now_us,
        *state.views.at(now_us),
        *state.carts.at(now_us),
        state.purchases.at(now_us, WINDOW_30D),
        state.purchase_count,
        state.order_count,
        state.refund_count,
        state.first_purchase_us // 1000,
        state.last_purchase_us // 1000,
        value / orders if orders else 0.0,
        state.currency[1],
        math.exp(weights[_PRICE_SUM] / weights[_PRICE_WEIGHT]) if weights else 0.0,
        [key for key, _ in categories],
        [score for _, score in categories],
        [key for key, _ in brands],
        [score for _, score in brands],
    )


def _purchase(state: UserState, event: Interaction) -> None:
    time_us = event.time_us
    state.purchases.add(time_us, WINDOW_30D)
    state.purchase_count += 1
    state.first_purchase_us = min(state.first_purchase_us or time_us, time_us)
    state.last_purchase_us = max(state.last_purchase_us, time_us)
    order = digest(event.order_id)
    if _is_new(state.orders, order):
        state.order_count += 1
    if event.price_cents >= 0:
        value, orders = state.money.get(event.currency, (0, 0))
        is_new = _is_new(state.priced_orders, order)
        value = min(value + event.quantity * event.price_cents, _MOST_CENTS)  # what a saved state can hold
        state.money[event.currency] = (value, orders + is_new)
        state.currency = max(state.currency, (time_us, event.currency))


def _is_new(orders: dict[int, int], order: int) -> bool:
    """Note an order among the latest 64, and tell whether it was not there."""
    if order in orders:
        return False
    if len(orders) >= _KEPT_ORDERS:
        del orders[next(iter(orders))]
    orders[order] = 1
    return True

"""User features: how often, how lately and what a known shopper looks at and buys."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.decay import DecayedSum, DecayedSums
from recommender.features.interaction import Interaction, digest
from recommender.features.panes import PackedPanes, packed_panes
from recommender.features.row import FeatureRow, TimeUs, count
from recommender.features.windows import SECOND_US, WINDOW_30D, PaneCount, Panes, count_in, counts_at

AFFINITY_HALF_LIFE_US = 7 * 86_400 * SECOND_US
INTEREST = {"view": 1.0, "click": 1.0, "add_to_wishlist": 2.0, "add_to_cart": 3.0, "purchase": 5.0}
"""How much one event of a kind says about a shopper's taste [unitless]."""
TOP = 10
_KEPT_KEYS = 64
_KEPT_ORDERS = 64
_MOST_CENTS = 2**63 - 1

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
    panes: PackedPanes


class UserState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a shopper to compute the next row."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    views: Panes = {}
    carts: Panes = {}
    categories: DecayedSums = msgspec.field(default_factory=DecayedSums)
    brands: DecayedSums | None = None
    prices: Prices | None = None
    bought: Bought | None = None
    refund_count: int = 0
    items: bytes = b""
    """State of the view user_items. It and the next stay encoded but for the events that change them."""
    purchases: bytes = b""
    """State of the view user_purchases."""


class Prices(msgspec.Struct, array_like=True, gc=False):
    """The prices of what a shopper looks at."""

    weight: DecayedSum = msgspec.field(default_factory=DecayedSum)
    weighted_log: DecayedSum = msgspec.field(default_factory=DecayedSum)

    def add(self, time_us: int, interest: float, cents: int) -> None:
        """Take the price of an item looked at."""
        self.weight.add(time_us, interest, AFFINITY_HALF_LIFE_US)
        self.weighted_log.add(time_us, interest * math.log(cents), AFFINITY_HALF_LIFE_US)

    @property
    def mean_cents(self) -> float:
        """Geometric mean [cents]."""
        return math.exp(self.weighted_log.scaled / self.weight.scaled)  # on one landmark, as both begin at once


class Bought(msgspec.Struct, array_like=True, gc=False):
    """What a shopper has bought."""

    lines: PaneCount = msgspec.field(default_factory=PaneCount)
    purchase_count: int = 0
    order_count: int = 0
    first_us: int = 0
    last_us: int = 0
    orders: dict[int, int] = {}
    priced_orders: dict[int, int] = {}
    money: dict[str, tuple[int, int]] = {}
    """Currency to (value of order lines [cents], number of orders)."""
    currency: tuple[int, str] = (0, "")


_NOTHING = Bought()


def fold(state: UserState, event: Interaction) -> None:
    """Take an event of this shopper, neither repeated nor late, into the state."""
    time_us, kind = event.time_us, event.kind
    state.clock.see(time_us)
    if kind == "view":
        count_in(state.views, time_us)
    elif kind == "add_to_cart":
        count_in(state.carts, time_us)
    elif kind == "purchase":
        if state.bought is None:
            state.bought = Bought()
        _purchase(state.bought, event)
    elif kind == "refund":
        state.refund_count += 1
    interest = INTEREST.get(kind)
    if interest is None:
        return
    if event.category:
        state.categories.add(event.category, time_us, interest, AFFINITY_HALF_LIFE_US)
        state.categories.prune(_KEPT_KEYS, _KEPT_KEYS)
    if event.brand:
        if state.brands is None:
            state.brands = DecayedSums()
        state.brands.add(event.brand, time_us, interest, AFFINITY_HALF_LIFE_US)
        state.brands.prune(_KEPT_KEYS, _KEPT_KEYS)
    if event.price_cents > 0:
        if state.prices is None:
            state.prices = Prices()
        state.prices.add(time_us, interest, event.price_cents)


def row(user_id: str, state: UserState) -> UserFeatures:
    """Return the shopper's row as of its clock."""
    now_us = state.clock.feature_time_us
    brands, prices = state.brands, state.prices
    bought = state.bought or _NOTHING
    value, orders = bought.money.get(bought.currency[1], (0, 0)) if bought.money else (0, 0)
    return UserFeatures(
        user_id,
        now_us,
        *counts_at(state.views, now_us),
        *counts_at(state.carts, now_us),
        bought.lines.at(now_us, WINDOW_30D),
        bought.purchase_count,
        bought.order_count,
        state.refund_count,
        bought.first_us // 1000,
        bought.last_us // 1000,
        value / orders if orders else 0.0,
        bought.currency[1],
        prices.mean_cents if prices else 0.0,
        *state.categories.top(TOP, now_us, AFFINITY_HALF_LIFE_US),
        *(brands.top(TOP, now_us, AFFINITY_HALF_LIFE_US) if brands else ([], [])),
        packed_panes(now_us, (state.views, state.carts), bought.lines.panes),
    )


def _purchase(state: Bought, event: Interaction) -> None:
    time_us = event.time_us
    state.lines.add(time_us, WINDOW_30D)
    state.purchase_count += 1
    state.first_us = min(state.first_us or time_us, time_us)
    state.last_us = max(state.last_us, time_us)
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

"""What a known shopper has bought: which items, how often, how lately and in what rhythm."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.interaction import Interaction, digest
from recommender.features.row import FeatureRow, TimeUs
from recommender.features.session import TimeMs
from recommender.features.windows import SECOND_US

USER_PURCHASES = 200
KEPT_PURCHASES = 300
"""An item that is bought again after so many others begins anew."""
KEPT_LINES = 256
"""Among how many of the latest order lines a second line of one item in one order is recognised."""
_DAY_US = 86_400 * SECOND_US

Times = Annotated[int, msgspec.Meta(ge=1)]
Days = Annotated[float, msgspec.Meta(ge=0)]


class UserPurchases(FeatureRow):
    """The items that a known shopper has bought. An item that is bought again after 300 others begins anew."""

    view: ClassVar[str] = "user_purchases"
    entity: ClassVar[str] = "user_id"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("items", "orders", "units", "last_at_ms", "interval_days"),
    )

    user_id: str
    feature_time_us: TimeUs
    items: Annotated[list[str], msgspec.Meta(description="distinct items, the one bought last first, up to 200")]
    orders: Annotated[list[Times], msgspec.Meta(description="orders that each item was in [count]")]
    units: Annotated[list[Times], msgspec.Meta(description="how many of each were bought [count]")]
    last_at_ms: Annotated[list[TimeMs], msgspec.Meta(description="when each was last bought [ms since 1970 UTC]")]
    interval_days: Annotated[
        list[Days], msgspec.Meta(description="mean time between the orders of each [days]; 0 while there is but one")
    ]


class UserPurchasesState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a shopper to compute the next row. Lists run in step, the item bought last last."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    items: list[str] = []
    first_us: list[int] = []
    last_us: list[int] = []
    orders: list[int] = []
    units: list[int] = []
    lines: dict[int, int] = {}
    """Digests of order and item of the latest lines, in order of arrival."""


def fold(state: UserPurchasesState, event: Interaction) -> bool:
    """Take an event of this shopper, neither repeated nor late, into the state; return whether it is a purchase."""
    if event.kind != "purchase":
        return False
    item_id, items = event.item_id, state.items
    state.clock.see(event.time_us)
    is_new = _is_new(state.lines, digest(f"{event.order_id}\0{item_id}"))
    first_us = last_us = event.time_us
    orders, units = 1, event.quantity
    if item_id in items:
        known = items.index(item_id)
        del items[known]
        first_us = min(first_us, state.first_us.pop(known))
        last_us = max(last_us, state.last_us.pop(known))
        orders = state.orders.pop(known) + is_new
        units += state.units.pop(known)
    place = len(items)
    while place and (state.last_us[place - 1], items[place - 1]) > (last_us, item_id):
        place -= 1
    items.insert(place, item_id)
    state.first_us.insert(place, first_us)
    state.last_us.insert(place, last_us)
    state.orders.insert(place, orders)
    state.units.insert(place, units)
    if len(items) > KEPT_PURCHASES:
        del items[0], state.first_us[0], state.last_us[0], state.orders[0], state.units[0]
    return True


def row(user_id: str, state: UserPurchasesState) -> UserPurchases:
    """Return the shopper's row as of its clock."""
    shown = slice(None, -USER_PURCHASES - 1, -1)
    first_us, last_us, orders = state.first_us[shown], state.last_us[shown], state.orders[shown]
    return UserPurchases(
        user_id,
        state.clock.feature_time_us,
        state.items[shown],
        orders,
        state.units[shown],
        [time_us // 1000 for time_us in last_us],
        [
            (last - first) / (count - 1) / _DAY_US if count > 1 else 0.0
            for first, last, count in zip(first_us, last_us, orders, strict=True)
        ],
    )


def _is_new(lines: dict[int, int], line: int) -> bool:
    """Note a line among the latest 256, and tell whether it was not there."""
    if line in lines:
        return False
    if len(lines) >= KEPT_LINES:
        del lines[next(iter(lines))]
    lines[line] = 1
    return True

"""Which items a known shopper has looked at, over all visits: what is remembered beyond a session's recent items."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.interaction import Interaction
from recommender.features.row import FeatureRow, TimeUs
from recommender.features.session import TimeMs
from recommender.features.user import INTEREST

USER_ITEMS = 100
_KEPT_ITEMS = 120
"""The ones beyond those shown make up for events out of order: an item may be pushed out and come back."""

Looks = Annotated[int, msgspec.Meta(ge=0)]


class UserItems(FeatureRow):
    """The items that a known shopper has looked at, over all visits.

    An item that comes back after 120 others begins anew.
    """

    view: ClassVar[str] = "user_items"
    entity: ClassVar[str] = "user_id"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (("items", "last_at_ms", "looks"),)

    user_id: str
    feature_time_us: TimeUs
    items: Annotated[list[str], msgspec.Meta(description="distinct items, the one looked at last first, up to 100")]
    last_at_ms: Annotated[
        list[TimeMs], msgspec.Meta(description="when each item was last looked at [ms since 1970 UTC]")
    ]
    looks: Annotated[
        list[Looks],
        msgspec.Meta(description="how often each was viewed, clicked, wished for, put into the cart or bought [count]"),
    ]


class UserItemsState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a shopper to compute the next row. Lists run in step, the item looked at last last."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    items: list[str] = []
    at_us: list[int] = []
    looks: list[int] = []


def fold(state: UserItemsState, event: Interaction) -> bool:
    """Take an event of this shopper, neither repeated nor late, into the state; return whether it is of interest."""
    if event.kind not in INTEREST:
        return False
    time_us, item_id = event.time_us, event.item_id
    items, at_us, looks = state.items, state.at_us, state.looks
    state.clock.see(time_us)
    count = 1
    if item_id in items:
        known = items.index(item_id)
        del items[known]
        time_us = max(time_us, at_us.pop(known))
        count += looks.pop(known)
    place = len(items)
    while place and (at_us[place - 1], items[place - 1]) > (time_us, item_id):
        place -= 1
    items.insert(place, item_id)
    at_us.insert(place, time_us)
    looks.insert(place, count)
    if len(items) > _KEPT_ITEMS:
        del items[0], at_us[0], looks[0]
    return True


def row(user_id: str, state: UserItemsState) -> UserItems:
    """Return the shopper's row as of its clock."""
    shown = slice(None, -USER_ITEMS - 1, -1)
    return UserItems(
        user_id,
        state.clock.feature_time_us,
        state.items[shown],
        [time_us // 1000 for time_us in state.at_us[shown]],
        state.looks[shown],
    )

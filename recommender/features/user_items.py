"""Which items a known shopper has looked at, over all visits: what is remembered beyond a session's recent items."""

from __future__ import annotations

from bisect import insort
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.intake import ALLOWED_LATENESS_US
from recommender.features.interaction import Interaction
from recommender.features.row import FeatureRow, TimeUs
from recommender.features.session import TimeMs
from recommender.features.user import INTEREST

USER_ITEMS = 100
KEPT_ITEMS = 120
"""An item that comes back after so many others begins anew."""
_MOST_RECENT = 256
"""Looks in half an hour beyond which it is no longer waited for earlier ones."""

Looks = Annotated[int, msgspec.Meta(ge=1)]


class UserItems(FeatureRow):
    """What a known shopper has looked at, over all visits. An item that comes back after 120 others begins anew."""

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
    """What is remembered of a shopper to compute the next row. The first lists run in step, the latest item last."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    items: list[str] = []
    at_us: list[int] = []
    looks: list[int] = []
    recent: list[tuple[int, str]] = []
    """Looks, in order, that are not in these lists yet: an earlier one may still come."""


def fold(state: UserItemsState, event: Interaction) -> bool:
    """Take an event of this shopper, neither repeated nor late, into the state; return whether it is of interest."""
    if event.kind not in INTEREST:
        return False
    state.clock.see(event.time_us)
    recent = state.recent
    insort(recent, (event.time_us, event.item_id))
    settled_us = state.clock.latest_us - ALLOWED_LATENESS_US
    settled = 0
    while recent[settled][0] < settled_us or len(recent) - settled > _MOST_RECENT:
        _look(state.items, state.at_us, state.looks, *recent[settled])
        settled += 1
    del recent[:settled]
    return True


def row(user_id: str, state: UserItemsState) -> UserItems:
    """Return the shopper's row as of its clock."""
    items, at_us, looks = state.items[:], state.at_us[:], state.looks[:]
    for look in state.recent:
        _look(items, at_us, looks, *look)
    shown = slice(None, -USER_ITEMS - 1, -1)
    return UserItems(
        user_id, state.clock.feature_time_us, items[shown], [time_us // 1000 for time_us in at_us[shown]], looks[shown]
    )


def _look(items: list[str], at_us: list[int], looks: list[int], time_us: int, item_id: str) -> None:
    """Add a look to lists that run in step. Looks come in order, but for those of sessions at the same time."""
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
    if len(items) > KEPT_ITEMS:
        del items[0], at_us[0], looks[0]

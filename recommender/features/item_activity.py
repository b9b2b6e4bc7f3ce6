"""Activity features of an item: how much it is looked at and bought, and together with what."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.events import category_levels
from recommender.features.clock import EntityClock
from recommender.features.decay import DecayedSum, DecayedSums
from recommender.features.interaction import Interaction
from recommender.features.pairs import Pair
from recommender.features.panes import PackedPanes, packed_panes
from recommender.features.row import FeatureRow, TimeUs, count
from recommender.features.user import INTEREST, Score
from recommender.features.windows import SECOND_US, Panes, count_in, counts_at

TREND_HALF_LIFE_US = 6 * 3_600 * SECOND_US
POPULARITY_HALF_LIFE_US = 28 * 86_400 * SECOND_US
NEIGHBOUR_HALF_LIFE_US = 14 * 86_400 * SECOND_US
NEIGHBOURS = 20
_KEPT_NEIGHBOURS = 100
ACTIVITY_KINDS = frozenset(INTEREST)


class ItemActivity(FeatureRow):
    """One item, as the shoppers' events say."""

    view: ClassVar[str] = "item_activity"
    entity: ClassVar[str] = "item_id"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (
        ("also_viewed", "also_viewed_scores"),
        ("also_bought", "also_bought_scores"),
    )

    item_id: str
    feature_time_us: TimeUs
    views_5m: Annotated[int, count("views in 5 minutes")]
    views_1h: Annotated[int, count("views in 1 hour")]
    views_24h: Annotated[int, count("views in 24 hours")]
    carts_5m: Annotated[int, count("additions to a cart in 5 minutes")]
    carts_1h: Annotated[int, count("additions to a cart in 1 hour")]
    carts_24h: Annotated[int, count("additions to a cart in 24 hours")]
    purchases_5m: Annotated[int, count("order lines in 5 minutes")]
    purchases_1h: Annotated[int, count("order lines in 1 hour")]
    purchases_24h: Annotated[int, count("order lines in 24 hours")]
    conversion_24h_ratio: Annotated[
        float, msgspec.Meta(ge=0, description="purchases_24h / views_24h; 0 without views [ratio]")
    ]
    trend_score: Annotated[float, msgspec.Meta(ge=0, description="interest in the item, half-life 6 hours")]
    popularity_score: Annotated[float, msgspec.Meta(ge=0, description="interest in the item, half-life 28 days")]
    also_viewed: Annotated[list[str], msgspec.Meta(description="items viewed in the same sessions, up to 20")]
    also_viewed_scores: Annotated[list[Score], msgspec.Meta(description="pairs with each, half-life 14 days")]
    also_bought: Annotated[list[str], msgspec.Meta(description="items bought in the same sessions, up to 20")]
    also_bought_scores: Annotated[list[Score], msgspec.Meta(description="pairs with each, half-life 14 days")]
    panes: PackedPanes


class ActivityState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of an item to compute its next row."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    views: Panes = {}
    carts: Panes = {}
    purchases: Panes = {}
    trend: DecayedSum = msgspec.field(default_factory=DecayedSum)
    viewed: DecayedSums | None = None
    bought: DecayedSums | None = None
    category: tuple[int, str] = (0, "")
    popularity: DecayedSum = msgspec.field(default_factory=DecayedSum)


class CategoryEntry(msgspec.Struct, gc=False):
    """What a category learns of one of its items: its trend, or that it has left."""

    category: str
    item_id: str
    time_us: int
    trend_score: float
    events: int = 1
    """Events of the item that the entry speaks of [count]."""
    left: bool = False


def fold(state: ActivityState, event: Interaction) -> None:
    """Take a shopper event about this item, neither repeated nor late, into the state."""
    interest = INTEREST.get(event.kind)
    if interest is None:
        return
    time_us = event.time_us
    state.clock.see(time_us)
    state.trend.add(time_us, interest, TREND_HALF_LIFE_US)
    state.popularity.add(time_us, interest, POPULARITY_HALF_LIFE_US)
    if event.kind == "view":
        count_in(state.views, time_us)
    elif event.kind == "add_to_cart":
        count_in(state.carts, time_us)
    elif event.kind == "purchase":
        count_in(state.purchases, time_us)


def fold_pair(state: ActivityState, pair: Pair) -> None:
    """Take a pair with another item into the state."""
    state.clock.see(pair.time_us)
    if pair.kind == "view":
        neighbours = state.viewed = state.viewed or DecayedSums()
    else:
        neighbours = state.bought = state.bought or DecayedSums()
    neighbours.add(pair.other_id, pair.time_us, pair.weight, NEIGHBOUR_HALF_LIFE_US)
    neighbours.prune(_KEPT_NEIGHBOURS, _KEPT_NEIGHBOURS)


def file_under(state: ActivityState, item_id: str, category: str, time_us: int) -> list[CategoryEntry]:
    """Note the item's category; return the entries for categories that it has left by that."""
    if (time_us, category) < state.category:
        return []
    old = state.category[1]
    state.category = (time_us, category)
    if not old or old == category:
        return []
    stays = set(category_levels(category))
    return [
        CategoryEntry(level, item_id, time_us, 0.0, left=True) for level in category_levels(old) if level not in stays
    ]


def row(item_id: str, state: ActivityState) -> ItemActivity:
    """Return the item's row as of its clock."""
    now_us = state.clock.feature_time_us
    views, purchases = counts_at(state.views, now_us), counts_at(state.purchases, now_us)
    viewed, bought = state.viewed, state.bought
    return ItemActivity(
        item_id,
        now_us,
        *views,
        *counts_at(state.carts, now_us),
        *purchases,
        purchases[2] / views[2] if views[2] else 0.0,
        state.trend.at(now_us, TREND_HALF_LIFE_US),
        state.popularity.at(now_us, POPULARITY_HALF_LIFE_US),
        *(viewed.top(NEIGHBOURS, now_us, NEIGHBOUR_HALF_LIFE_US) if viewed else ([], [])),
        *(bought.top(NEIGHBOURS, now_us, NEIGHBOUR_HALF_LIFE_US) if bought else ([], [])),
        packed_panes(now_us, (state.views, state.carts, state.purchases)),
    )


def category_entries(state: ActivityState, item_id: str, time_us: int, events: int) -> list[CategoryEntry]:
    """Return what the item's categories, all levels, learn from its latest events.

    Args:
        state: the item's, with these events.
        item_id: the item.
        time_us: the latest of their times.
        events: how many they are.
    """
    category = state.category[1]
    if not category:
        return []
    # An event of long ago may come late: the trend as of then, with what came since, is beyond any number.
    time_us = max(time_us, state.trend.landmark_us)
    trend_score = state.trend.at(time_us, TREND_HALF_LIFE_US)
    return [CategoryEntry(level, item_id, time_us, trend_score, events) for level in category_levels(category)]

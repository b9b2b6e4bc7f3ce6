"""Category features: which items of a category are in demand."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.decay import NOTHING, DecayedSums, factor
from recommender.features.item_activity import TREND_HALF_LIFE_US, CategoryEntry
from recommender.features.row import FeatureRow, TimeUs
from recommender.features.user import Score

TRENDING = 20
_KEPT_ITEMS = 100
_MOST_IN_TOP = 100
"""How long the list of items that could be on top may get between two rows, as it is searched for each entry."""


class CategoryTrend(FeatureRow):
    """One category at any level of the tree; an item counts for its own category and for all above it."""

    view: ClassVar[str] = "category"
    entity: ClassVar[str] = "category"
    ttl: ClassVar[timedelta] = timedelta(0)
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = (("trending_items", "trending_scores"),)

    category: str
    feature_time_us: TimeUs
    trending_items: Annotated[list[str], msgspec.Meta(description="items by interest, half-life 6 hours, up to 20")]
    trending_scores: Annotated[list[Score], msgspec.Meta(description="interest in each of trending_items")]


class CategoryState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a category to compute its next row."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    items: DecayedSums = msgspec.field(default_factory=DecayedSums)
    top: list[str] = []
    """The items of most interest, and after them, until the next row, those that could be among them."""


def fold(state: CategoryState, entry: CategoryEntry) -> None:
    """Take an item's trend into the state.

    The entry carries the item's whole trend, not an increment. So an item that was pruned comes back whole with its
    next event, and the first 20 of the 100 kept are exact.
    """
    state.clock.see(entry.time_us, entry.events)
    items, item_id = state.items, entry.item_id
    known = items.sums.pop(item_id, 0.0)
    if not entry.left:
        items.add(item_id, entry.time_us, entry.trend_score, TREND_HALF_LIFE_US)
        items.prune(_KEPT_ITEMS, _KEPT_ITEMS)
    scaled = items.sums.get(item_id, 0.0)
    if scaled < known or len(state.top) > _MOST_IN_TOP:  # if it has become less, another may take its place
        state.top = [key for _, key in items.largest(TRENDING)]
    elif item_id in items.sums and item_id not in state.top:
        state.top.append(item_id)


def row(category: str, state: CategoryState) -> CategoryTrend:
    """Return the category's row as of its clock."""
    now_us, sums = state.clock.feature_time_us, state.items.sums
    scale = factor(state.items.landmark_us, now_us, TREND_HALF_LIFE_US)
    top = sorted([(sums[key], key) for key in state.top if key in sums], reverse=True)[:TRENDING]
    state.top = [key for _, key in top]
    shown = [(key, scaled * scale) for scaled, key in top if scaled * scale > NOTHING]
    return CategoryTrend(category, now_us, [key for key, _ in shown], [score for _, score in shown])

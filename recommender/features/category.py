"""Category features: which items of a category are in demand."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.features.clock import EntityClock
from recommender.features.decay import DecayedSums
from recommender.features.item_activity import TREND_HALF_LIFE_US, CategoryEntry
from recommender.features.row import FeatureRow, TimeUs
from recommender.features.user import Score

TRENDING = 20
_KEPT_ITEMS = 100


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


class CategoryState(msgspec.Struct, array_like=True):
    """What is remembered of a category to compute its next row."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    items: DecayedSums = msgspec.field(default_factory=DecayedSums)


def fold(state: CategoryState, entry: CategoryEntry) -> None:
    """Take an item's trend into the state.

    The entry carries the item's whole trend, not an increment. So an item that was pruned comes back whole with its
    next event, and the first 20 of the 100 kept are exact.
    """
    state.clock.see(entry.time_us)
    state.items.sums.pop(entry.item_id, None)
    if not entry.left:
        state.items.add(entry.item_id, entry.time_us, entry.trend_score, TREND_HALF_LIFE_US)
        state.items.prune(_KEPT_ITEMS, _KEPT_ITEMS)


def row(category: str, state: CategoryState) -> CategoryTrend:
    """Return the category's row as of its clock."""
    now_us = state.clock.feature_time_us
    trending = state.items.top(TRENDING, now_us, TREND_HALF_LIFE_US)
    return CategoryTrend(category, now_us, [key for key, _ in trending], [score for _, score in trending])

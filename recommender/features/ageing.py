"""Feature rows as of an instant after their feature time.

The stream writes a row when something happens. That nothing has happened since changes some values too: windows empty,
interest fades, a visit ends. `aged` computes what the values are at the instant of reading, exact to the pane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from recommender.features.category import CategoryTrend
from recommender.features.decay import factor
from recommender.features.item_activity import (
    NEIGHBOUR_HALF_LIFE_US,
    POPULARITY_HALF_LIFE_US,
    TREND_HALF_LIFE_US,
    ItemActivity,
)
from recommender.features.panes import recount
from recommender.features.row import FeatureRow
from recommender.features.session import VISIT_GAP_US, SessionFeatures
from recommender.features.user import AFFINITY_HALF_LIFE_US, UserFeatures
from recommender.features.windows import SECOND_US, WINDOW_1H, WINDOW_5M, WINDOW_24H, WINDOW_30D, Window

R = TypeVar("R", bound=FeatureRow)

CART_LIFE_US = 30 * 86_400 * SECOND_US
"""A cart whose session has been inactive for longer is no cart."""

_SHORT = (WINDOW_5M, WINDOW_1H, WINDOW_24H)

COUNTED: dict[type[FeatureRow], dict[str, tuple[Window, ...]]] = {
    UserFeatures: {"views": _SHORT, "carts": _SHORT, "purchases": (WINDOW_30D,)},
    ItemActivity: {"views": _SHORT, "carts": _SHORT, "purchases": _SHORT},
}
"""What the rows of a view count in windows, in the order of the kinds in ``panes``; columns are ``<kind>_<window>``."""


def aged(row: R, now_us: int) -> R:
    """Return the row as of ``now_us``; the row itself if it holds as of then or later.

    Ageing in steps gives what ageing at once does. Where values are computed anew the feature time becomes ``now_us``;
    a session keeps its own, from which the end of its visit and of its cart are counted.
    """
    change = _CHANGES.get(type(row))
    if change is None or now_us <= row.time_us:
        return row
    changes = change(row, now_us)
    return replace(row, **changes) if changes else row


def fading(then_us: int, now_us: int, half_life_us: int) -> float:
    """Return what is left, as of ``now_us``, of 1 that was there at ``then_us``; 1 for an earlier now."""
    return factor(min(then_us, now_us), now_us, half_life_us)


def _session(row: SessionFeatures, now_us: int) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if row.events and now_us - row.feature_time_us > VISIT_GAP_US:
        changes = {"started_at_ms": 0, "duration_s": 0.0, "events": 0, "views": 0, "distinct_categories": 0}
    if row.cart_items and now_us - row.feature_time_us > CART_LIFE_US:
        changes["cart_items"] = []
    return changes


def _user(row: UserFeatures, now_us: int) -> dict[str, Any]:
    left = fading(row.feature_time_us, now_us, AFFINITY_HALF_LIFE_US)
    return _counts(row, row.panes, now_us) | {
        "top_category_scores": [score * left for score in row.top_category_scores],
        "top_brand_scores": [score * left for score in row.top_brand_scores],
    }


def _item_activity(row: ItemActivity, now_us: int) -> dict[str, Any]:
    changes = _counts(row, row.panes, now_us)
    views, purchases = changes["views_24h"], changes["purchases_24h"]
    left = fading(row.feature_time_us, now_us, NEIGHBOUR_HALF_LIFE_US)
    return changes | {
        "conversion_24h_ratio": purchases / views if views else 0.0,
        "trend_score": row.trend_score * fading(row.feature_time_us, now_us, TREND_HALF_LIFE_US),
        "popularity_score": row.popularity_score * fading(row.feature_time_us, now_us, POPULARITY_HALF_LIFE_US),
        "also_viewed_scores": [score * left for score in row.also_viewed_scores],
        "also_bought_scores": [score * left for score in row.also_bought_scores],
    }


def _category(row: CategoryTrend, now_us: int) -> dict[str, Any]:
    left = fading(row.feature_time_us, now_us, TREND_HALF_LIFE_US)
    return {"feature_time_us": now_us, "trending_scores": [score * left for score in row.trending_scores]}


_CHANGES: dict[type[FeatureRow], Callable[[Any, int], dict[str, Any]]] = {
    SessionFeatures: _session,
    UserFeatures: _user,
    ItemActivity: _item_activity,
    CategoryTrend: _category,
}
_WINDOWS = {row_type: tuple(counted.values()) for row_type, counted in COUNTED.items()}
_COLUMNS = {
    row_type: tuple(f"{kind}_{window.name}" for kind, windows in counted.items() for window in windows)
    for row_type, counted in COUNTED.items()
}


def _counts(row: FeatureRow, packed: list[int], now_us: int) -> dict[str, Any]:
    left, counts = recount(packed, _WINDOWS[type(row)], row.time_us, now_us)
    return {"feature_time_us": now_us, "panes": left, **dict(zip(_COLUMNS[type(row)], counts, strict=True))}

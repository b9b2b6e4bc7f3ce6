"""What a shopper is interested in at this moment, as the feature rows tell it.

Recency is by order and by the distance to the shopper's own latest look, not to the clock, so that a replay of old
events is served as it would have been. What only time changes, the rows know: they hold as of the request.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recommender.features import SessionFeatures, UserFeatures

ORDER_DECAY = 0.7
"""Weight of a recent item relative to the next later one."""
LOOK_HALF_LIFE_MS = 6 * 3_600_000
TASTE_SHARE = 0.3
"""Weight of a known user's lasting taste relative to the categories of the recent items."""
_RECENT_ITEMS = 12


class Interest(msgspec.Struct, frozen=True):
    """Weights are unitless, the strongest first."""

    items: dict[str, float]
    """Items looked at lately."""
    categories: dict[str, float]
    cart: list[str]
    latest_query: str

    def __bool__(self) -> bool:
        return bool(self.items or self.categories or self.cart or self.latest_query)


def interest(sessions: Sequence[SessionFeatures], user: UserFeatures | None) -> Interest:
    """Return a shopper's interest; ``sessions`` come the latest first."""
    looks = sorted(
        (
            (-at_ms, item_id, category)
            for session in sessions
            for item_id, at_ms, category in zip(
                session.recent_items, session.recent_item_at_ms, session.recent_categories, strict=True
            )
        ),
    )
    items: dict[str, float] = {}
    categories: dict[str, float] = {}
    for minus_at_ms, item_id, category in looks:
        if item_id in items or len(items) == _RECENT_ITEMS:
            continue
        age = (minus_at_ms - looks[0][0]) / LOOK_HALF_LIFE_MS
        weight = ORDER_DECAY ** len(items) * 2.0**-age
        items[item_id] = weight
        if category:
            categories[category] = categories.get(category, 0.0) + weight
    if user is not None:
        whole = sum(user.top_category_scores)
        for category, score in zip(user.top_categories, user.top_category_scores, strict=True):
            categories[category] = categories.get(category, 0.0) + TASTE_SHARE * score / (whole or 1.0)
    cart = [item_id for session in sessions for item_id in session.cart_items]
    query = next((query for session in sessions for query in session.recent_queries), "")
    ranked = sorted(categories.items(), key=lambda entry: (-entry[1], entry[0]))
    return Interest(items, dict(ranked), list(dict.fromkeys(cart)), query)

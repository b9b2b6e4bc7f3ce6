"""All that is known of who is asking: what serving reads for a request, and training for an example."""

from __future__ import annotations

from typing import NamedTuple

from recommender.features.session import SessionFeatures
from recommender.features.user import UserFeatures
from recommender.features.user_items import UserItems
from recommender.features.user_purchases import UserPurchases


class Shopper(NamedTuple):
    """The feature rows of a shopper as of one instant; of a stranger there are none."""

    user: UserFeatures | None
    sessions: list[SessionFeatures]
    """The known shopper's implicit session and the session named, as far as they exist, the latest first."""
    items: UserItems | None = None
    purchases: UserPurchases | None = None
    feature_time_us: int = 0
    """The latest feature time of these rows as they are stored; 0 without any."""

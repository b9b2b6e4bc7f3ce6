"""Who can take part, by name."""

from __future__ import annotations

from collections.abc import Callable

from recommender.evaluation.baselines.plain import BuyAgain, Popularity, Random, RecentItems, RecentPopularity
from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import Contestant

CONTESTANTS: dict[str, Callable[[Contest], Contestant]] = {
    kind.name: kind for kind in (Random, Popularity, RecentPopularity, RecentItems, BuyAgain)
}

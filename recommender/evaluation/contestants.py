"""Who can take part, by name."""

from __future__ import annotations

from collections.abc import Callable

from recommender.evaluation.baselines.ease import Ease
from recommender.evaluation.baselines.factors import Als, Bpr
from recommender.evaluation.baselines.lightfm_alone import LightfmAlone
from recommender.evaluation.baselines.neighbours import Covisitation, NextItem
from recommender.evaluation.baselines.plain import BuyAgain, Popularity, Random, RecentItems, RecentPopularity
from recommender.evaluation.baselines.session_knn import SessionKnn
from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import Contestant

CONTESTANTS: dict[str, Callable[[Contest], Contestant]] = {
    Random.name: Random,
    Popularity.name: Popularity,
    RecentPopularity.name: RecentPopularity,
    RecentItems.name: RecentItems,
    BuyAgain.name: BuyAgain,
    Covisitation.name: Covisitation,
    NextItem.name: NextItem,
    SessionKnn.name: SessionKnn,
    Ease.name: Ease,
    Als.name: Als,
    Bpr.name: Bpr,
    LightfmAlone.name: LightfmAlone,
}

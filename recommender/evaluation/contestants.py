"""Who can take part, by name."""

from __future__ import annotations

from collections.abc import Callable

from recommender.evaluation.baselines.ease import Ease
from recommender.evaluation.baselines.factors import Als, Bpr
from recommender.evaluation.baselines.lightfm_alone import LightfmPublished, LightfmTuned
from recommender.evaluation.baselines.neighbours import Covisitation, NextItem
from recommender.evaluation.baselines.plain import BuyAgain, Popularity, Random, RecentItems, RecentPopularity
from recommender.evaluation.baselines.session_knn import SessionKnn
from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import Contestant
from recommender.evaluation.report import LIVESHELF


def _lightfm(contest: Contest) -> Contestant:
    """LightFM by its published settings knows users; for visits, it is the whole's own without all else."""
    if contest.name == "future":
        return LightfmPublished(contest)
    from recommender.evaluation.liveshelf import LightFMAlone  # takes seconds to load, as the next one does

    return LightFMAlone(contest)


def _liveshelf(contest: Contest) -> Contestant:
    from recommender.evaluation.liveshelf import Liveshelf

    return Liveshelf(contest)


def _liveshelf_live(contest: Contest) -> Contestant:
    from recommender.evaluation.liveshelf import LiveshelfLive

    return LiveshelfLive(contest)


def _liveshelf_nightly(contest: Contest) -> Contestant:
    from recommender.evaluation.liveshelf import LiveshelfNightly

    return LiveshelfNightly(contest)


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
    LightfmTuned.name: LightfmTuned,
    LightfmPublished.name: _lightfm,
    LIVESHELF: _liveshelf,
}
"""Who takes part if nobody is named."""

VARIANTS: dict[str, Callable[[Contest], Contestant]] = {
    "liveshelf_live": _liveshelf_live,
    "liveshelf_nightly": _liveshelf_nightly,
}
"""The same model with features of other times."""

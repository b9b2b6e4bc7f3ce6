"""What a contestant is asked, and what it must offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from recommender.evaluation.log import Event, Progress
from recommender.features.interaction import Interaction

Floats = npt.NDArray[np.float32]


class Query(NamedTuple):
    """Which items does this shopper want now?"""

    user_id: str
    """Empty for an anonymous shopper."""
    session_id: str
    """The visit; that of a known user without one is his implicit session."""
    now_us: int
    past: Sequence[Interaction]
    """The shopper's own events before, the oldest first; all kinds."""
    targets: frozenset[str]
    """The right answers. A contestant does not look at them."""
    exclude: frozenset[str]
    """Items that must not be recommended."""


class Contestant(Protocol):
    """Recommends items; told TRAIN before, and TEST as it goes on."""

    name: str

    def fit(self, train: Sequence[Event], progress: Progress) -> None:
        """Learn from events in order of time.

        Raises:
            LeftOut: it cannot take part; the text says why.
        """

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return up to ``k`` different items, the best first, none of ``query.exclude``."""

    def observe(self, event: Event) -> None:
        """Take note of an event of TEST; called in order of time, once what it was asked about was answered."""


@runtime_checkable
class Scorer(Protocol):
    """A contestant that can score each item, for the area under the ROC curve."""

    def scores(self, query: Query) -> tuple[Sequence[str], Floats]:
        """Return item ids and a score for each, higher is better."""


class LeftOut(Exception):
    """A contestant cannot take part; the text says why."""

"""The whole of Liveshelf as a contestant: trained as `liveshelf train` does it, answering by the code that serves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy

import numpy as np
import numpy.typing as npt

from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import LeftOut, Query
from recommender.evaluation.log import Event, Progress
from recommender.features.interaction import Interaction
from recommender.features.memory import FeatureMemory
from recommender.features.shopper import Shopper
from recommender.model.description import describe_shopper
from recommender.serving.item_table import ItemTable
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest
from recommender.training.asking import DAY_US
from recommender.training.dataset import TooLittleHistory
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import train_model
from recommender.training.questions import table_of
from recommender.training.replay_source import ReplaySource


class Liveshelf:
    """Model and activity of items as TRAIN left them; what shopper and catalogue do is known at once."""

    name = "liveshelf"

    def __init__(self, contest: Contest) -> None:
        self._parameters = TrainingParameters(test_ratio=0.0, seed=contest.seed, horizon_days=contest.horizon_days)
        self._memory = FeatureMemory()
        self._table = ItemTable()

    def fit(self, train: Sequence[Event], progress: Progress) -> None:
        """Train, and fill the item table."""
        try:
            model = train_model(
                ReplaySource(train),
                self._parameters,
                lambda stage, done, most: progress(stage, done / max(1, most)),
            )
        except TooLittleHistory as error:
            raise LeftOut(f"{self.name}: {error}") from error
        for event in train:
            self._memory.take(copy(event))
        self._table = table_of(list(self._memory.items()), model)

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the slate of the home surface."""
        request = SlateRequest(n=k, exclude=query.exclude)
        slate = recommend(self._table, request, self._shopper(query), now_us=query.now_us)
        return [self._table.ids[entry.row] for entry in slate.items]

    def observe(self, event: Event) -> None:
        """Take note of what a shopper or the catalogue does; the activity of items stays as TRAIN left it."""
        if isinstance(event, Interaction):
            self._memory.take(copy(event), items=False)
        else:
            self._memory.take(event)
            self._refresh([event.item_id])

    def _shopper(self, query: Query) -> Shopper:
        return self._memory.shopper(query.user_id, query.session_id, query.now_us)

    def _refresh(self, item_ids: Iterable[str]) -> None:
        for item_id in item_ids:
            rows = self._memory.item(item_id)
            if self._table.row_of(item_id) is None:
                self._table.put(*rows)
            elif rows.catalogue is not None:
                self._table.put_catalogue(rows.catalogue)
            if rows.activity is not None:
                self._table.put_activity(rows.activity)


class LiveshelfLive(Liveshelf):
    """The model as TRAIN left it, and all features of this moment, those of items too: as it serves."""

    name = "liveshelf_live"

    def observe(self, event: Event) -> None:
        """Take note of an event, and of what it changes about items."""
        self._refresh(self._take(event))

    def _take(self, event: Event) -> set[str]:
        """Take an event; return the items of which it changes the rows."""
        if not isinstance(event, Interaction):
            self._memory.take(event)
            return {event.item_id}
        taken = copy(event)
        if not self._memory.take(taken) or not event.item_id:
            return set()
        return {event.item_id, *(pair.item_id for pair in taken.pairs)}


class LiveshelfNightly(LiveshelfLive):
    """The same with all features as of the last midnight (UTC), as where a job computes them once a day."""

    name = "liveshelf_nightly"

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        self._today: list[Event] = []
        self._day = 0

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the slate of the home surface as of midnight."""
        self._turn_to(query.now_us)
        return super().recommend(query, k)

    def observe(self, event: Event) -> None:
        """Keep an event until midnight."""
        self._turn_to(event.time_us)
        self._today.append(event)

    def _turn_to(self, now_us: int) -> None:
        if now_us // DAY_US != self._day:
            self._day = now_us // DAY_US
            changed = {item_id for event in self._today for item_id in self._take(event)}
            self._today.clear()
            self._refresh(changed)


class LightFMAlone(Liveshelf):
    """Its embeddings alone: no other source, no ranker."""

    name = "lightfm"

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        self._parameters = TrainingParameters(test_ratio=0.0, seed=contest.seed, ranker_questions=0)

    def recommend(self, query: Query, k: int) -> list[str]:
        """Return the items that the model scores highest."""
        item_ids, scores = self.scores(query)
        if not len(item_ids):
            return []
        places = np.argsort(-scores, kind="stable")
        return [item_ids[place] for place in places[: k + len(query.exclude)] if item_ids[place] not in query.exclude][
            :k
        ]

    def scores(self, query: Query) -> tuple[Sequence[str], npt.NDArray[np.float32]]:
        """Return the items that the model knows, and its scores."""
        vectors = self._table.vectors
        if vectors is None:
            return [], np.empty(0, np.float32)
        description = describe_shopper(self._shopper(query), now_us=query.now_us)
        vector, _ = vectors.model.user_vector(description)
        rows = np.flatnonzero(vectors.known(len(self._table.ids)))
        return [self._table.ids[row] for row in rows.tolist()], vectors.scores_of(vector, rows)

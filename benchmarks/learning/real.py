"""Learning over a replayed log of a real shop: its embeddings alone, and the slates that are served."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from benchmarks.learning.recording import Recording, compared, over_time
from benchmarks.stream.progress import Display, Section
from recommender.features.interaction import Interaction
from recommender.features.shopper import Shopper
from recommender.learning.examples import ExampleMaker, Observed
from recommender.learning.growing import FitParameters
from recommender.learning.online import OnlineModel
from recommender.model.artifact import Model
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest
from recommender.training.dataset import TARGET_WEIGHTS
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import train_model
from recommender.training.questions import table_of
from recommender.training.replay_source import ReplaySource

Event = Any
BATCH = 100
"""Examples of a batch: about five seconds of a shop with twenty events a second."""
PUBLISH_BATCHES = 5
K = 20
_PARTS = 20


def run(
    train: Sequence[Event],
    test: Sequence[Event],
    fit: FitParameters,
    seed: int,
    most: int,
    display: Display,
    result: dict[str, Any],
) -> None:
    """Train on the first part, replay the second one, and put the figures into the result.

    Args:
        train: events, in order of time.
        test: events that come after them.
        fit: how to learn.
        seed: everything drawn by chance follows from it.
        most: slates that are made both ways, evenly chosen; 0 for none.
        display: shows how far it is.
        result: takes the figures.
    """
    section = display.section("training")
    section.say("trains", total=None)
    source = ReplaySource(train)
    model = train_model(source, TrainingParameters(test_ratio=0.0, seed=seed), lambda *_: None)
    model.manifest.version = "trained"
    section.done(f"{len(train):,} events")
    recording = Recording()
    learning = OnlineModel(model, model, fit, seed, recording)
    maker = ExampleMaker(1_000_000, learning)
    for event in train:
        maker.take(copy(event), wanted=False)
    rows = list(maker.memory.items())
    shops = _Shops(table_of(rows, model), table_of(rows, model), learning)
    section = display.section("replay")
    wanted = {number for number, event in enumerate(test) if _is_target(event)}
    asked = set(np.linspace(0, len(wanted) - 1, min(most, len(wanted))).astype(int).tolist()) if most else set()
    _replay(test, maker, learning, shops, asked, section)
    learned, parent = recording.ranks()
    result.update({"train_events": len(train), "test_events": len(test)})
    result["embeddings"] = compared(learned, parent) | {"over_time": over_time(learned, parent, _PARTS)}
    if shops.ranks:
        ranks = np.array(shops.ranks)
        result["slates"] = compared(ranks[:, 0], ranks[:, 1]) | {
            "over_time": over_time(ranks[:, 0], ranks[:, 1], _PARTS)
        }
        result["slates"]["versions"] = shops.versions


def _replay(
    test: Sequence[Event],
    maker: ExampleMaker,
    learning: OnlineModel,
    shops: _Shops,
    asked: set[int],
    section: Section,
) -> None:
    section.say("events", total=len(test))
    batch: list[Observed] = []
    targets = batches = 0
    for number, event in enumerate(map(copy, test), 1):
        if _is_target(event):
            if targets in asked:
                shops.ask(maker.memory.shopper(event.user_id, event.session_id, event.time_us), event)
            targets += 1
        observed = maker.take(event)
        if isinstance(event, Interaction):
            shops.meet(event, maker)
        if observed is not None:
            batch.append(observed)
        if len(batch) == BATCH:
            learning.learn(batch)
            batch, batches = [], batches + 1
            if asked and batches % PUBLISH_BATCHES == 0:
                shops.publish()
            section.reached(number)
    if batch:
        learning.learn(batch)
    section.done(f"{targets:,} examples")


class _Shops:
    """The same shop twice: one takes new versions into service, the other stays with the first."""

    def __init__(self, learning_table: ItemTable, frozen_table: ItemTable, learning: OnlineModel) -> None:
        self._tables = learning_table, frozen_table
        self._learning = learning
        self.ranks: list[tuple[float, float]] = []
        self.versions = 0

    def ask(self, shopper: Shopper, event: Interaction) -> None:
        """Note at which place of each shop's slate the item is that the shopper looks at next."""
        ranks = [_rank(table, shopper, event) for table in self._tables]
        self.ranks.append((ranks[0], ranks[1]))

    def meet(self, event: Interaction, maker: ExampleMaker) -> None:
        """Put an item that is new into both, as serving does within a second."""
        if event.item_id and self._tables[0].row_of(event.item_id) is None:
            for table in self._tables:
                table.put(*maker.memory.item(event.item_id))

    def publish(self) -> None:
        """Take what has been learned into service."""
        table = self._tables[0]
        model: Model = self._learning.model()
        vectors = ItemVectors(model)
        vectors.put_all(table.ids, table.catalogue)
        table.adopt(vectors, table.content_version)
        self.versions += 1


def _rank(table: ItemTable, shopper: Shopper, event: Interaction) -> float:
    request = SlateRequest(n=K, device=event.device, country=event.country)
    slate = recommend(table, request, shopper, now_us=event.time_us)
    row = table.row_of(event.item_id)
    return next((float(place) for place, entry in enumerate(slate.items) if entry.row == row), float("inf"))


def _is_target(event: Event) -> bool:
    return isinstance(event, Interaction) and event.kind in TARGET_WEIGHTS and bool(event.item_id)

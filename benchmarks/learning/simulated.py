"""Learning as a shop grows: what a batch costs, with ever more shoppers, items and features."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.learning.recording import Recording, compared, over_time
from benchmarks.learning.shop import GrowingShop
from benchmarks.stream.progress import Display
from recommender.learning.examples import ExampleMaker, Observed
from recommender.learning.growing import FitParameters
from recommender.learning.online import OnlineModel
from recommender.model.artifact import write_model
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import train_model
from recommender.training.replay_source import ReplaySource

BATCH = 500
_LEVELS = 5
_PARTS = 30


def run(shop: GrowingShop, users: int, fit: FitParameters, seed: int, display: Display, result: dict[str, Any]) -> None:
    """Train on a shop without known shoppers, then let it grow to ``users``; put the figures into the result."""
    section = display.section("opening")
    opening = shop.opening()
    section.say("trains on it", total=None)
    model = train_model(ReplaySource(opening), TrainingParameters(ranker_questions=0, seed=seed), lambda *_: None)
    section.done(f"{len(opening):,} events")
    recording = Recording()
    learning = OnlineModel(model, model, fit, seed, recording)
    maker = ExampleMaker(users, learning)
    for event in opening:
        maker.take(event, wanted=False)
    section = display.section("growth")
    section.say("shoppers", total=users)
    costs = _Costs(learning, maker, users // _LEVELS)
    batch: list[Observed] = []
    events = 0
    for event in shop.growth(users):
        events += 1
        began = time.process_time()
        observed = maker.take(event)
        costs.describing_s += time.process_time() - began
        if observed is not None:
            batch.append(observed)
        if len(batch) == BATCH:
            costs.learn(batch)
            batch = []
            section.reached(shop.users)
            costs.look(shop.users)
    costs.look(users)
    section.done(f"{events:,} events")
    learned, parent = recording.ranks()
    result.update({"events": events, "users": users, "items": len(learning.growing.content)})
    result |= compared(learned, parent)
    result["levels"] = costs.levels
    result["over_time"] = over_time(learned, parent, _PARTS)


class _Costs:
    """Processor time and memory since the last level."""

    def __init__(self, learning: OnlineModel, maker: ExampleMaker, every: int) -> None:
        self._learning, self._maker, self._every = learning, maker, every
        self.levels: list[dict[str, Any]] = []
        self.describing_s = 0.0
        self._examples = 0
        self._tests: list[float] = []
        self._fits: list[float] = []

    def learn(self, batch: list[Observed]) -> None:
        learned = self._learning.learn(batch)
        self._examples += learned.examples
        self._tests.append(learned.test_s)
        self._fits.append(learned.fit_s)

    def look(self, users: int) -> None:
        """Note a level once it is reached."""
        if users < (len(self.levels) + 1) * self._every or not self._fits:
            return
        growing = self._learning.growing
        began = time.process_time()
        model = self._learning.model()
        made = time.process_time()
        with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name:
            write_model(model, Path(name) / "version")
            written = time.process_time()
            size = sum(path.stat().st_size for path in (Path(name) / "version").iterdir())
        self.levels.append(
            {
                "users": users,
                "items": len(growing.content),
                "shopper_features": growing.shoppers.awake,
                "item_features": growing.items.awake,
                "describe_us_per_example": round(1e6 * self.describing_s / max(1, self._examples), 1),
                "test_ms_per_batch": round(1e3 * median(self._tests), 1),
                "fit_ms_per_batch": round(1e3 * median(self._fits), 1),
                "fit_ms_per_batch_most": round(1e3 * max(self._fits), 1),
                "arrays_mb": round((growing.shoppers.nbytes + growing.items.nbytes) / 1e6, 1),
                "rss_mb": round(psutil.Process().memory_info().rss / 1e6, 1),
                "make_version_s": round(made - began, 3),
                "write_version_s": round(written - made, 3),
                "version_mb": round(size / 1e6, 1),
            }
        )
        self.describing_s, self._examples, self._tests, self._fits = 0.0, 0, [], []

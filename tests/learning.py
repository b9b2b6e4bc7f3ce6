"""A small shop whose shoppers have one of two tastes, as a model version and as events, for tests of learning."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count

import numpy as np

from recommender.features.interaction import Interaction
from recommender.learning.examples import ExampleMaker, Observed
from recommender.learning.growing import FitParameters
from recommender.learning.online import OnlineModel
from recommender.model.artifact import Gradients, Model
from recommender.model.links import Links
from recommender.model.manifest import Manifest

START_US = 1_700_000_000_000_000
SIZE = 16
ITEMS = 60
HALF = ITEMS // 2
FIT = FitParameters(learning_rate=0.1, epochs=3)


def manifest(**changed: object) -> Manifest:
    fields: dict[str, object] = {
        "data_from": "2023-11-01T00:00:00+00:00",
        "data_to": "2023-11-14T22:13:19+00:00",
        "events": 100,
        "examples": 100,
        "users": 10,
        "items": ITEMS,
        "features": 2 * ITEMS,
        "epochs": 5,
        "seconds": 1.0,
        "metrics": {"ndcg@20": 0.2},
        "baselines": {},
        "parameters": {},
        "feature_service": "shopper_v1",
        "feature_views": ["session"],
    }
    return Manifest(**(fields | changed))  # type: ignore[arg-type]


def item_name(number: int) -> str:
    return f"item{number}"


def blank_model(items: int = ITEMS) -> Model:
    """A version that knows its items and shoppers' looks at them, and has learned nothing of them yet."""
    random_ = np.random.default_rng(3)
    ids = [item_name(number) for number in range(items)]
    item_features = [f"item={item_id}" for item_id in ids]
    shopper_features = [f"recent={item_id}" for item_id in ids]
    embeddings = ((random_.random((items, SIZE)) - 0.5) / SIZE).astype(np.float32)
    shoppers = ((random_.random((items, SIZE)) - 0.5) / SIZE).astype(np.float32)
    return Model(
        item_ids=ids,
        item_vectors=embeddings.copy(),
        item_biases=np.zeros(items, np.float32),
        shopper_features=shopper_features,
        shopper_embeddings=shoppers,
        item_features=item_features,
        item_embeddings=embeddings,
        item_feature_biases=np.zeros(items, np.float32),
        manifest=manifest(),
        gradients=Gradients(np.ones_like(shoppers), np.ones_like(embeddings), np.ones(items, np.float32)),
        content=Links(
            np.arange(items + 1, dtype=np.int64), np.arange(items, dtype=np.int32), np.ones(items, np.float32)
        ),
    )


def visits(number: int, seed: int = 1, *, known: bool = False) -> Iterator[Interaction]:
    """Visits of five views, each within one half of the items: what is looked at next, the one before tells."""
    draw = random.Random(seed)
    events = count()
    for visit in range(number):
        first = draw.choice((0, HALF))
        start = draw.randrange(HALF)
        for step in range(5):
            yield Interaction(
                event_id=f"{seed}-{next(events)}",
                kind="view",
                time_us=START_US + visit * 60_000_000 + step * 5_000_000,
                session_id=f"s{seed}-{visit}",
                user_id=f"u{seed}-{visit % 200}" if known else "",
                item_id=item_name(first + (start + step) % HALF),
            )


def learning_model(start: Model | None = None, parameters: FitParameters = FIT) -> OnlineModel:
    start = start or blank_model()
    return OnlineModel(start, start, parameters)


def batches(model: OnlineModel, events: Iterator[Interaction], size: int = 200) -> Iterator[list[Observed]]:
    """The events as examples, in batches."""
    maker = ExampleMaker(10_000, model)
    batch: list[Observed] = []
    for event in events:
        observed = maker.take(event)
        if observed is not None:
            batch.append(observed)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch

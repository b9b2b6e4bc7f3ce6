"""Small models for tests of the registry and of what serves from it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from recommender.model.artifact import Model
from recommender.model.manifest import Manifest
from recommender.model.registry import ModelRegistry

NOON = datetime(2024, 11, 22, 12, tzinfo=UTC)


def small_model(item_ids: Sequence[str] = ("a", "b"), seed: int = 3) -> Model:
    """A model of four dimensions that knows shoppers by an item they looked at, and items by a category."""
    rng = np.random.default_rng(seed)
    items = len(item_ids)
    return Model(
        item_ids=item_ids,
        item_vectors=rng.random((items, 4), np.float32),
        item_biases=rng.random(items, np.float32),
        shopper_features=[f"recent={item_id}" for item_id in item_ids],
        shopper_embeddings=rng.random((items, 4), np.float32),
        item_features=["category=Camping"],
        item_embeddings=rng.random((1, 4), np.float32),
        item_feature_biases=rng.random(1, np.float32),
        manifest=Manifest(
            data_from="2026-11-01T00:00:00+00:00",
            data_to="2026-11-22T00:00:00+00:00",
            events=1_234,
            examples=1_000,
            users=2,
            items=items,
            features=items + 1,
            epochs=2,
            seconds=0.5,
            metrics={"hit_rate@20": 0.5, "mrr@20": 0.25},
            baselines={},
            parameters={"seed": seed},
            feature_service="shopper_v1",
            feature_views=["session", "user"],
        ),
    )


def saved(registry: ModelRegistry, count: int, *, online: Sequence[int] = ()) -> list[str]:
    """Save models an hour apart, the first at noon; those at the places ``online`` are of that kind."""
    versions = []
    for place in range(count):
        model = small_model()
        model.manifest.kind = "online" if place in online else "full"
        versions.append(registry.save(model, NOON + timedelta(hours=place)))
    return versions


def damage(models_dir: Path, version: str) -> None:
    """Change a file of a version, so that it is not what its manifest says."""
    path = models_dir / version / "item_vectors.npy"
    path.write_bytes(path.read_bytes() + b"x")

"""From history to a model version in the registry."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from recommender.events import utc_from_us
from recommender.features import SessionFeatures, UserFeatures
from recommender.model.artifact import Model
from recommender.model.dataset import HistoryJoin, TrainingSet, build
from recommender.model.manifest import Manifest
from recommender.model.registry import ModelRegistry
from recommender.model.training import Progress, Trained, TrainingParameters, train

FEATURE_SERVICE = "shopper_v1"
"""The feature service whose views a model reads, at training and when it serves."""


def train_version(
    history_dir: Path,
    join: HistoryJoin,
    registry: ModelRegistry,
    parameters: TrainingParameters,
    progress: Progress,
    *,
    git_revision: str | None = None,
) -> Model:
    """Train on the history, keep the outcome as a new version, make it current, and return it.

    Raises:
        TooLittleHistory: the history is too small.
    """
    start = time.monotonic()
    progress("read history", 0, 1)
    data = build(history_dir, join, most_examples=parameters.most_examples)
    progress("read history", 1, 1)
    trained = train(data, parameters, progress)
    model = _servable(data, trained, _manifest(data, trained, parameters, time.monotonic() - start, git_revision))
    registry.activate(registry.save(model, datetime.now(UTC)))
    return model


def _servable(data: TrainingSet, trained: Trained, manifest: Manifest) -> Model:
    """Return the model with a vector for each item that has a trained feature."""
    found = trained.embeddings
    features = trained.items.matrix
    scored = features.getnnz(axis=1).nonzero()[0]
    return Model(
        item_ids=[data.item_ids[row] for row in scored],
        item_vectors=features[scored] @ found.item_embeddings,
        item_biases=features[scored] @ found.item_feature_biases,
        shopper_features=found.shopper_features,
        shopper_embeddings=found.shopper_embeddings,
        item_features=found.item_features,
        item_embeddings=found.item_embeddings,
        item_feature_biases=found.item_feature_biases,
        manifest=manifest,
    )


def _manifest(
    data: TrainingSet, trained: Trained, parameters: TrainingParameters, seconds: float, git_revision: str | None
) -> Manifest:
    return Manifest(
        data_from=utc_from_us(int(data.times_us[0])).isoformat(),
        data_to=utc_from_us(int(data.times_us[-1])).isoformat(),
        events=data.events,
        examples=len(data.times_us),
        users=data.users,
        items=len(data.item_ids),
        features=len(trained.embeddings.shopper_features) + len(trained.embeddings.item_features),
        epochs=trained.epochs,
        seconds=round(seconds, 1),
        metrics=trained.metrics,
        baselines=trained.baselines,
        parameters=msgspec.to_builtins(parameters),
        feature_service=FEATURE_SERVICE,
        feature_views=[row_type.view for row_type in (SessionFeatures, UserFeatures)],
        git_revision=git_revision,
    )

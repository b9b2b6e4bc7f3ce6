"""Training from an installation's history, through Feast, by the command."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore

from recommender.features import Interaction, SessionFeatures, UserFeatures
from recommender.history import EVENT_TIMESTAMP
from recommender.installation import Installation
from recommender.model.parts import encode_parts
from recommender.settings import Settings
from recommender.store.offline import LiveshelfOfflineStore
from recommender.store.repository import apply, open_store
from recommender.training.history_source import HistorySource
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import split_by_time, train_model
from tests.histories import plain_batches, two_taste_history, write_history

PARAMETERS = TrainingParameters(embedding_size=16, threads=1, most_epochs=10, test_examples=100)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A stopped installation: no Redis, nothing registered with Feast."""
    for name in [name for name in os.environ if name.startswith("LIVESHELF_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "data"
    folder.mkdir()
    return Installation(folder)


@pytest.mark.parametrize("ttl", [timedelta(days=36_525), timedelta(minutes=10)])
def test_the_asof_join_finds_what_feasts_own_join_finds(installation: Installation, ttl: timedelta) -> None:
    two_taste_history(installation.history_dir, sessions_each=10)
    settings = Settings(data_dir=installation.data_dir)
    apply(settings)
    store = open_store(settings)
    views = [store.get_feature_view(row_type.view) for row_type in (SessionFeatures, UserFeatures)]
    for view in views:
        view.ttl = ttl
    rows = pq.read_table(installation.history_dir / "session").to_pandas()
    moments = [rows[EVENT_TIMESTAMP] + timedelta(microseconds=apart) for apart in (-1, 0, 1, 15 * 60 * 10**6)]
    entity_rows = pd.concat([rows[["session_id"]].assign(event_timestamp=moment) for moment in moments])
    entity_rows["user_id"] = [f"user-{place % 13}" for place in range(len(entity_rows))]
    entity_rows["place"] = range(len(entity_rows))
    refs = ["session:views", "session:recent_items", "user:views_5m", "user:top_categories"]
    answers = [
        kind.get_historical_features(store.config, views, refs, entity_rows, store.registry, store.project, True)
        .to_df()
        .sort_values("place", ignore_index=True)
        for kind in (LiveshelfOfflineStore, DuckDBOfflineStore)
    ]
    columns = ["session__views", "session__recent_items", "user__views_5m", "user__top_categories"]
    found = [[[_plain(value) for value in row] for row in answer[columns].values.tolist()] for answer in answers]
    assert found[0] == found[1]
    nothing = sum(row[0] is None for row in found[0])
    assert 0 < nothing < len(entity_rows)


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return None if value is None or value != value else value


def test_training_with_one_thread_gives_the_same_model_each_time(tmp_path: Path) -> None:
    two_taste_history(tmp_path)
    one, other = (
        train_model(HistorySource(tmp_path, plain_batches(tmp_path)), PARAMETERS, lambda *_: None) for _ in range(2)
    )
    assert one.item_ids == other.item_ids
    for array in ("item_vectors", "item_biases", "shopper_embeddings", "item_embeddings", "item_feature_biases"):
        np.testing.assert_array_equal(getattr(one, array), getattr(other, array))
    assert one.parts.ranker is not None
    assert encode_parts(one.parts) == encode_parts(other.parts)
    assert one.manifest.metrics == other.manifest.metrics != {}
    assert one.manifest.baselines == other.manifest.baselines != {}


def test_a_model_says_what_it_was_trained_on(tmp_path: Path) -> None:
    two_taste_history(tmp_path, sessions_each=20)
    stages: dict[str, tuple[int, int]] = {}

    def note(stage: str, done: int, most: int) -> None:
        stages[stage] = (done, most)

    model = train_model(HistorySource(tmp_path, plain_batches(tmp_path)), PARAMETERS, note, git_revision="abc123")
    manifest = model.manifest
    assert (manifest.events, manifest.examples, manifest.users, manifest.items) == (240, 240, 20, 20)
    assert manifest.features == len(model.shopper_features) + len(model.item_features)
    assert (manifest.data_from, manifest.data_to) == ("1970-01-12T13:46:40+00:00", "1970-01-12T20:18:20+00:00")
    assert manifest.git_revision == "abc123"
    assert set(manifest.baselines) == {"popularity", "recent_items", "next_item"}
    assert stages["train"] == (manifest.epochs, manifest.epochs)
    assert {"read events", "describe shoppers", "validate", "train", "test"} <= set(stages)


def test_the_parts_are_in_order_of_time_and_share_no_instant() -> None:
    times = np.repeat(np.arange(1, 21), 3) * 10**9
    split = split_by_time(times, PARAMETERS)
    assert np.concatenate(split).tolist() == list(range(60))
    fitted, validation, test = (times[part] for part in split)
    assert fitted.max() < validation.min() <= validation.max() < test.min()


@pytest.mark.parametrize(
    ("ratios", "lengths"),
    [((0.0, 0.0), (100, 0, 0)), ((0.2, 0.0), (79, 21, 0)), ((0.0, 0.1), (89, 0, 11)), ((0.2, 0.1), (69, 20, 11))],
)
def test_a_part_without_a_ratio_is_empty(ratios: tuple[float, float], lengths: tuple[int, int, int]) -> None:
    parameters = TrainingParameters(validation_ratio=ratios[0], test_ratio=ratios[1])
    split = split_by_time(np.arange(100) + 10**9, parameters)
    assert tuple(map(len, split)) == lengths


def test_a_history_of_one_instant_is_trained_without_figures(tmp_path: Path) -> None:
    write_history(
        tmp_path, [Interaction(f"e{n:02d}", "view", 10**9, f"s{n % 7}", item_id=f"i{n % 5}") for n in range(30)]
    )
    model = train_model(HistorySource(tmp_path, plain_batches(tmp_path)), PARAMETERS, lambda *_: None)
    assert (model.manifest.epochs, model.manifest.metrics, model.manifest.baselines) == (10, {}, {})
    assert model.parts.ranker is None
    assert np.isfinite(model.item_vectors).all()

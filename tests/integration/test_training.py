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
from recommender.model.dataset import build
from recommender.model.training import TrainingParameters, split_by_time, train
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.offline import LiveshelfOfflineStore
from recommender.store.repository import apply, open_store
from tests.histories import plain_join, two_taste_history, write_history

PARAMETERS = TrainingParameters(embedding_size=16, threads=1, most_epochs=10)


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A stopped installation: no Redis, nothing registered with Feast."""
    for name in [name for name in os.environ if name.startswith("LIVESHELF_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "data"
    folder.mkdir()
    return Installation(folder)


def test_feast_and_a_plain_recount_give_the_same_training_set(installation: Installation) -> None:
    two_taste_history(installation.history_dir, sessions_each=20)
    settings = Settings(data_dir=installation.data_dir)
    apply(settings)
    by_feast = build(installation.history_dir, FeastFeatures.open(settings).history_join, most_examples=1_000)
    by_recount = build(installation.history_dir, plain_join(installation.history_dir), most_examples=1_000)
    assert by_feast.states.features == by_recount.states.features
    assert (by_feast.states.matrix != by_recount.states.matrix).nnz == 0
    np.testing.assert_array_equal(by_feast.state_numbers, by_recount.state_numbers)


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
    two_taste_history(tmp_path, sessions_each=20)
    data = build(tmp_path, plain_join(tmp_path), most_examples=1_000)
    one, other = (train(data, PARAMETERS, lambda *_: None) for _ in range(2))
    np.testing.assert_array_equal(one.embeddings.shopper_embeddings, other.embeddings.shopper_embeddings)
    np.testing.assert_array_equal(one.embeddings.item_embeddings, other.embeddings.item_embeddings)
    assert one.metrics == other.metrics


def test_the_parts_are_in_order_of_time_and_share_no_instant(tmp_path: Path) -> None:
    write_history(tmp_path, _events_by_threes())
    data = build(tmp_path, plain_join(tmp_path), most_examples=1_000)
    fitted, validation, test = (data.times_us[part] for part in split_by_time(data, PARAMETERS))
    assert len(fitted) + len(validation) + len(test) == 60
    assert fitted.max() < validation.min() <= validation.max() < test.min()


def test_a_history_of_one_instant_is_trained_without_figures(tmp_path: Path) -> None:
    write_history(tmp_path, [_event(number, 10**9) for number in range(30)])
    data = build(tmp_path, plain_join(tmp_path), most_examples=1_000)
    trained = train(data, PARAMETERS, lambda *_: None)
    assert (trained.epochs, trained.metrics, trained.baselines) == (10, {}, {})
    assert np.isfinite(trained.embeddings.item_embeddings).all()


def _event(number: int, time_us: int) -> Interaction:
    return Interaction(f"e{number:02d}", "view", time_us, f"s{number % 7}", item_id=f"i{number % 5}")


def _events_by_threes() -> list[Interaction]:
    return [_event(number, (1 + number // 3) * 10**9) for number in range(60)]

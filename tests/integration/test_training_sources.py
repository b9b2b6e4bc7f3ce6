"""The training set through Feast: the streaming join against a plain search through the rows."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recommender.features import Interaction, implicit_session
from recommender.history import EVENT_TIMESTAMP
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures, offline, point_in_time
from recommender.store.repository import apply
from recommender.training.history_source import SHOPPER_VIEWS, HistorySource
from tests.histories import plain_batches, write_history

KINDS = ("view", "view", "click", "add_to_cart", "purchase", "search")


def log(events: int, seed: int = 1) -> list[Interaction]:
    """A log of few users with sessions of their own and implicit ones, hours apart and at one instant."""
    rng, made, time_us = random.Random(seed), [], 1_700_000_000_000_000
    for number in range(events):
        time_us += rng.choice((0, 1, 20_000_000, 3_600_000_000))
        user_id, kind = rng.choice(("", "u0", "u1", "u2")), rng.choice(KINDS)
        session_id = rng.choice((f"s{rng.randrange(6)}", implicit_session(user_id) if user_id else "s6"))
        event = Interaction(f"e{number:04d}", kind, time_us, session_id, user_id=user_id)
        if kind == "search":
            event.query = "boots and 'laces'"
        else:
            event.item_id, event.price_cents, event.currency = f"i{rng.randrange(9)}", 100 * rng.randrange(9), "EUR"
        if kind == "purchase":
            event.order_id = f"o{number // 3}"
        made.append(event)
    return made


@pytest.fixture
def features(settings: Settings) -> FeastFeatures:
    apply(settings)
    return FeastFeatures.open(settings)


@pytest.mark.parametrize("rows_per_batch", [1, 64, 20_000])
def test_feast_finds_what_a_plain_search_finds(
    settings: Settings, features: FeastFeatures, monkeypatch: pytest.MonkeyPatch, rows_per_batch: int
) -> None:
    monkeypatch.setattr("recommender.store.offline.ROWS_PER_BATCH", rows_per_batch)
    history_dir = Installation(settings.data_dir).history_dir
    write_history(history_dir, log(300))
    by_feast = HistorySource(history_dir, features.history_batches)
    plainly = HistorySource(history_dir, plain_batches(history_dir))
    numbers = np.arange(len(by_feast.targets()))
    shoppers = list(by_feast.shoppers(numbers))
    assert shoppers == list(plainly.shoppers(numbers))
    assert any(shopper.purchases for shopper in shoppers)
    assert any(len(shopper.sessions) == 2 for shopper in shoppers)
    as_of_us = int(by_feast.targets().times_us[150])
    assert by_feast.items(as_of_us) == plainly.items(as_of_us)
    assert len(by_feast.items(as_of_us)) == 9


def test_an_empty_history_has_no_targets_no_shoppers_and_no_items(settings: Settings, features: FeastFeatures) -> None:
    source = HistorySource(Installation(settings.data_dir).history_dir, features.history_batches)
    assert len(source.targets()) == 0
    assert list(source.shoppers(np.empty(0, np.int64))) == []
    assert source.items(10**15) == []


def test_a_join_leaves_nothing_on_disk(
    settings: Settings, features: FeastFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    history_dir = Installation(settings.data_dir).history_dir
    write_history(history_dir, log(50))
    source = HistorySource(history_dir, features.history_batches)
    shoppers = source.shoppers(np.arange(len(source.targets())))
    next(shoppers)
    assert list(tmp_path.glob("liveshelf-join-*")) != []
    del shoppers
    assert list(tmp_path.glob("liveshelf-join-*")) == []


def test_batches_keep_the_order_of_what_was_asked_and_its_other_columns(
    settings: Settings, features: FeastFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.store.offline.ROWS_PER_BATCH", 7)
    write_history(Installation(settings.data_dir).history_dir, log(50))
    times = [1_700_000_000_000_000 + 3_600_000_000 * (number * 37 % 60) for number in range(60)]
    asked = pa.table(
        {
            "session_id": [f"s{number % 8}" for number in range(60)],
            "user_id": [None if number % 3 else "u1" for number in range(60)],
            EVENT_TIMESTAMP: pa.array(times, pa.timestamp("us", "UTC")),
            "passes": [number * number for number in range(60)],
        }
    )
    batches = list(features.history_batches(asked, SHOPPER_VIEWS))
    assert [len(batch) for batch in batches] == [7] * 8 + [4]
    assert pa.concat_tables(batches).select(asked.column_names).to_pydict() == asked.to_pydict()


def test_there_are_never_more_open_files_than_a_process_may_have(
    settings: Settings, features: FeastFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recommender.store.offline.ROWS_PER_BATCH", 1)
    monkeypatch.setattr(point_in_time, "_MOST_BATCHES", 10)
    history_dir = Installation(settings.data_dir).history_dir
    write_history(history_dir, log(95))
    source = HistorySource(history_dir, features.history_batches)
    asked = source._entity_rows(np.arange(len(source.targets())))
    assert len(list(features.history_batches(asked, SHOPPER_VIEWS))) <= 10


def test_a_file_that_is_merged_away_while_it_is_read_is_read_where_it_went(
    settings: Settings, features: FeastFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    history_dir = Installation(settings.data_dir).history_dir
    write_history(history_dir, log(60))
    expected = list(HistorySource(history_dir, plain_batches(history_dir)).shoppers(np.arange(20)))
    gone = [str(history_dir / "session" / "part-gone-000000001.parquet")]
    listed = iter([gone, gone])
    files = offline._files
    monkeypatch.setattr(
        offline,
        "_files",
        lambda pattern: next(listed, None) or files(pattern) if "session" in pattern else files(pattern),
    )
    source = HistorySource(history_dir, features.history_batches)
    assert list(source.shoppers(np.arange(20))) == expected
    assert next(listed, None) is None


def test_files_that_soon_go_are_read_first_and_those_already_merged_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    for name in ("merged-0-000000001-000000004", "part-0-000000004", "part-0-000000005", "part-0-000000006", "empty"):
        (folder / f"{name}.parquet").touch()
    expected = ["part-0-000000006", "part-0-000000005", "merged-0-000000001-000000004"]
    assert [Path(path).stem for path in offline._files(str(folder / "*.parquet"))] == expected

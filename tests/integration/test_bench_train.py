"""``liveshelf bench train``: histories that are what the stream would have written, and figures for each size."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from benchmarks.training.history import repeat_month, write_month
from benchmarks.training.month import MONTH_US, month, range_for
from cli.main import app
from recommender.features import Interaction
from recommender.history import ensure_tables
from recommender.training.history_source import HistorySource
from recommender.training.replay_source import ReplaySource
from tests.histories import plain_batches

EVENTS = 1_500


def later(event: Interaction, number: int) -> Interaction:
    """The event of another shopper, so many months later."""
    return replace(
        event,
        event_id=f"m{number}-{event.event_id}",
        session_id=f"m{number}-{event.session_id}",
        user_id=event.user_id and f"m{number}-{event.user_id}",
        order_id=event.order_id and f"m{number}-{event.order_id}",
        time_us=event.time_us + number * MONTH_US,
    )


def test_a_month_again_has_the_rows_that_the_stream_would_write(tmp_path: Path) -> None:
    ensure_tables(tmp_path)
    shop = range_for(EVENTS)
    write_month(tmp_path, EVENTS, shop, lambda _: None)
    repeat_month(tmp_path, 1, lambda _: None)
    repeat_month(tmp_path, 2, lambda _: None)
    events = list(month(EVENTS, shop))
    whole = [*shop.catalogue(), *events, *(later(event, number) for number in (1, 2) for event in events)]
    history, replay = HistorySource(tmp_path, plain_batches(tmp_path, 500)), ReplaySource(whole)
    ours, expected = history.targets(), replay.targets()
    assert ours.times_us.tolist() == expected.times_us.tolist()
    assert ours.session_ids.to_pylist() == expected.session_ids.to_pylist()
    assert (ours.user_ids, ours.item_ids) == (expected.user_ids, expected.item_ids)
    assert ours.items.tolist() == expected.items.tolist()
    numbers = np.arange(0, len(ours), 7)
    assert list(history.shoppers(numbers)) == list(replay.shoppers(numbers))
    end_us = int(ours.times_us[-1]) + 10**9
    assert {row.item_id: row.catalogue for row in history.items(end_us)} == {
        row.item_id: row.catalogue for row in replay.items(end_us)
    }


def test_a_month_is_in_order_and_the_same_each_time() -> None:
    shop = range_for(EVENTS)
    events = list(month(EVENTS, shop))
    assert len(events) == EVENTS
    assert [event.time_us for event in events] == sorted(event.time_us for event in events)
    assert len({event.event_id for event in events}) == EVENTS
    assert events == list(month(EVENTS, shop))
    assert events != list(month(EVENTS, shop, seed=2))


@pytest.fixture
def parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("LIVESHELF_")]:
        monkeypatch.delenv(name)
    file = tmp_path / "parameters.toml"
    file.write_text("embedding_size = 8\nmost_epochs = 2\nranker_questions = 60\ntest_examples = 60\nthreads = 1\n")
    return file


def test_each_size_is_trained_and_compared_with_the_first(tmp_path: Path, parameters: Path) -> None:
    folder = tmp_path / "kept"
    command = ["bench", "train", "--events", "2000", "--events", "1000", "--params", str(parameters), "--json"]
    answer = CliRunner().invoke(app, [*command, "--data-dir", str(folder)])
    assert answer.exit_code == 0
    result = json.loads(answer.stdout)
    first, second = result["runs"]
    assert second["events"] == 2 * first["events"]
    assert second["growth"]["events"] == 2.0
    assert second["growth"]["seconds"] == round(second["seconds"] / first["seconds"], 2)
    assert all(run["peak_rss_mb"] > 100 and run["events_per_second"] > 0 for run in (first, second))
    assert {"read history", "train"} <= set(first["stages"])
    assert sum(second["stages"].values()) <= second["seconds"]
    assert (folder / "history" / "session").is_dir()

    answer = CliRunner().invoke(app, [*command, "--data-dir", str(folder)])
    assert answer.exit_code != 0
    assert str(answer.exception) == f"--data-dir: must be a new folder; got {folder}, which is there"

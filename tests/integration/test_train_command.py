"""``liveshelf train``: from an installation's history, through Feast, to a version that is current or only kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.problem import Problem, tell
from cli.train import run
from recommender.features import Interaction
from recommender.folder_lock import FolderInUse
from recommender.history import ensure_tables
from recommender.installation import Installation
from recommender.model.registry import ModelRegistry
from recommender.training.dataset import TooLittleHistory
from recommender.training.parameters import TrainingParameters
from tests.histories import two_taste_history, write_history

PARAMETERS = TrainingParameters(embedding_size=16, threads=1, most_epochs=4, ranker_questions=300, test_examples=300)
FIRST_DAY = "1970-01-12"


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """A stopped installation: no Redis, nothing registered with Feast."""
    for name in [name for name in os.environ if name.startswith("LIVESHELF_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "data"
    folder.mkdir()
    return Installation(folder)


def train(installation: Installation, capsys: pytest.CaptureFixture[str], **options: object) -> dict[str, object]:
    """Train by the command, and return its report."""
    assert run(installation.data_dir, as_json=True, parameters=PARAMETERS, **options) == 0  # type: ignore[arg-type]
    return json.loads(capsys.readouterr().out)


def test_a_stopped_installation_is_trained_and_tells_of_it_in_one_json_object(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    two_taste_history(installation.history_dir)
    assert run(installation.data_dir, as_json=True, parameters=PARAMETERS) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    registry = ModelRegistry(installation.models_dir)
    assert report["version"] == registry.current_version()
    assert (report["activated"], report["reason"]) == (True, "there was no version before it")
    assert (report["examples"], report["events"], report["users"], report["items"]) == (1_440, 1_440, 20, 20)
    assert report["epochs"] >= 1
    assert report["seconds"] > 0
    assert report["metrics"]["hit_rate@10"] > report["baselines"]["popularity"]["hit_rate@10"]
    assert "read history" in printed.err
    manifest = registry.manifest(report["version"])
    assert manifest.data_from == "1970-01-12T13:46:40+00:00"
    assert manifest.parameters["embedding_size"] == 16
    assert manifest.feature_views == ["session", "user", "user_items", "user_purchases"]


def better(figures: dict[str, float]) -> dict[str, float]:
    return {name: 2 * figure for name, figure in figures.items()}


def pretend_better(registry: ModelRegistry, version: str) -> None:
    """Change a version's manifest so that it tells better figures than any can reach here."""
    manifest = registry.manifest(version)
    manifest.metrics = better(manifest.metrics)
    (registry.folder(version) / "manifest.json").write_bytes(msgspec.json.encode(manifest))


def test_a_version_that_is_worse_is_kept_but_not_current_unless_it_is_forced(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    two_taste_history(installation.history_dir, sessions_each=60)
    first = train(installation, capsys)
    registry = ModelRegistry(installation.models_dir)
    pretend_better(registry, str(first["version"]))

    second = train(installation, capsys)
    assert second["activated"] is False
    assert "a loss beyond the margin of 5%" in str(second["reason"])
    assert registry.current_version() == first["version"]
    assert registry.versions() == [first["version"], second["version"]]

    assert run(installation.data_dir, as_json=False, parameters=PARAMETERS) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "is kept, but not current: ndcg@20" in told
    assert "liveshelf models activate 20" in told

    forced = train(installation, capsys, force=True)
    assert forced["activated"] is True
    assert str(forced["reason"]).startswith("it was forced, although ndcg@20")
    assert registry.current_version() == forced["version"]


def test_a_current_version_that_is_damaged_is_replaced(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    two_taste_history(installation.history_dir, sessions_each=60)
    registry = ModelRegistry(installation.models_dir)
    first = str(train(installation, capsys)["version"])
    pretend_better(registry, first)
    (registry.folder(first) / "item_vectors.npy").write_bytes(b"")
    second = train(installation, capsys)
    assert (second["activated"], second["reason"]) == (True, "the version before it cannot be served")
    assert registry.current_version() == second["version"]


@pytest.mark.parametrize(
    ("since", "until", "first", "last"),
    [
        ("1970-01-13", None, "1970-01-13T00:06:40+00:00", "1970-01-14T05:38:20+00:00"),
        (None, "1970-01-13T02:00+02:00", "1970-01-12T13:46:40+00:00", "1970-01-12T23:58:20+00:00"),
    ],
)
def test_since_and_until_bound_what_is_learned_from(
    installation: Installation,
    capsys: pytest.CaptureFixture[str],
    since: str | None,
    until: str | None,
    first: str,
    last: str,
) -> None:
    two_taste_history(installation.history_dir)
    report = train(installation, capsys, since=since, until=until)
    assert (report["data_from"], report["data_to"]) == (first, last)


def test_a_version_that_knows_far_fewer_items_than_the_one_before_is_remarked_on(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    ensure_tables(installation.history_dir)
    day_us = 86_400 * 10**6
    early = [Interaction(f"a{n:02d}", "view", n * 10**6, f"s{n % 9}", item_id=f"i{n % 30}") for n in range(60)]
    later = [Interaction(f"b{n:02d}", "view", day_us + n * 10**6, f"t{n % 9}", item_id=f"i{n % 5}") for n in range(40)]
    write_history(installation.history_dir, early + later)
    assert "it knows" not in str(train(installation, capsys)["reason"])
    report = train(installation, capsys, since="1970-01-02")
    assert str(report["reason"]).endswith("; it knows 5 items, the one before 30")


@pytest.mark.parametrize(("events", "items"), [(0, 0), (19, 5), (30, 1)])
def test_too_little_history_is_told_with_what_is_needed(
    installation: Installation, capsys: pytest.CaptureFixture[str], events: int, items: int
) -> None:
    ensure_tables(installation.history_dir)
    made = [Interaction(f"e{n:02d}", "view", n * 10**6, "s", item_id=f"i{n % items}") for n in range(1, events + 1)]
    write_history(installation.history_dir, made)
    with pytest.raises(TooLittleHistory) as refused:
        run(installation.data_dir, as_json=True, parameters=PARAMETERS)
    assert tell(refused.value) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.endswith(
        "liveshelf: train: the history must hold at least 20 events about at least 2 items; "
        f"got {events} events about {items} items\n"
    )
    assert ModelRegistry(installation.models_dir).versions() == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"since": "yesterday"},
            "--since: must be a date or a time, as 2026-11-01 or 2026-11-01T12:00Z; got yesterday",
        ),
        (
            {"until": "2026-13-01"},
            "--until: must be a date or a time, as 2026-11-01 or 2026-11-01T12:00Z; got 2026-13-01",
        ),
        (
            {"since": "2026-11-02", "until": "2026-11-02T00:00Z"},
            "--until: must be after --since, 2026-11-02; got 2026-11-02T00:00Z",
        ),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(
    installation: Installation, options: dict[str, str], problem: str
) -> None:
    with pytest.raises(Problem) as refused:
        run(installation.data_dir, as_json=True, **options)  # type: ignore[arg-type]
    assert str(refused.value) == problem
    assert refused.value.code == 2


def test_a_parameters_file_sets_what_it_names(installation: Installation, tmp_path: Path) -> None:
    two_taste_history(installation.history_dir, sessions_each=60)
    file = tmp_path / "parameters.toml"
    file.write_text("embedding_size = 8\nmost_epochs = 2\nthreads = 1\nranker_questions = 0\nlinear_l2 = [50]\n")
    command = ["train", "--data-dir", str(installation.data_dir), "--params", str(file), "--since", FIRST_DAY, "--json"]
    answer = CliRunner().invoke(app, command)
    assert answer.exit_code == 0
    registry = ModelRegistry(installation.models_dir)
    model = registry.load_current()
    assert model is not None
    assert model.manifest.parameters["embedding_size"] == 8
    assert model.manifest.parameters["max_sampled"] == PARAMETERS.max_sampled
    assert np.asarray(model.item_vectors).shape[1] == 8


def test_a_training_is_told_though_pruning_fails(
    installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    two_taste_history(installation.history_dir, sessions_each=60)

    def in_use(self: ModelRegistry, keep: int) -> None:
        raise FolderInUse("models: must not be in use")

    monkeypatch.setattr(ModelRegistry, "prune", in_use)
    assert run(installation.data_dir, as_json=True, parameters=PARAMETERS, keep=1) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["removed"] == []
    assert "liveshelf: --keep: nothing is removed now; models: must not be in use" in printed.err


def test_keep_removes_old_versions_after_the_training(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    two_taste_history(installation.history_dir, sessions_each=60)
    versions = [str(train(installation, capsys, force=True)["version"]) for _ in range(3)]
    last = train(installation, capsys, force=True, keep=2)
    assert last["removed"] == versions[:2]
    assert ModelRegistry(installation.models_dir).versions() == [versions[2], last["version"]]

"""``liveshelf models``, as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from recommender.model.registry import ModelRegistry
from tests.models import damage, saved
from tests.unit.test_cli import LIVESHELF


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def registry(data_dir: Path) -> ModelRegistry:
    return ModelRegistry(data_dir / "models")


def models(data_dir: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [*LIVESHELF, "models", *arguments, "--data-dir", str(data_dir)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)
    assert answer.returncode == code, answer.stderr
    return answer


def as_json(data_dir: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(models(data_dir, *arguments, "--json", code=code).stdout)


def test_an_installation_without_models_has_an_empty_list(data_dir: Path) -> None:
    assert as_json(data_dir, "list") == {"current": None, "models": []}
    assert models(data_dir, "list").stdout.startswith("There is no model yet.")
    answer = models(data_dir, "show", code=1)
    assert answer.stderr == "liveshelf: model version: none is current yet; got 'current'\n"


def test_the_list_tells_of_each_version_and_marks_the_current_and_the_damaged(
    data_dir: Path, registry: ModelRegistry
) -> None:
    a, b = saved(registry, 2, online=[1])
    registry.activate(a)
    damage(data_dir / "models", b)
    told = as_json(data_dir, "list")
    assert told["current"] == a
    assert [(each["version"], each["kind"], each["current"]) for each in told["models"]] == [
        (b, "online", False),
        (a, "full", True),
    ]
    assert told["models"][1] == {
        "version": a,
        "current": True,
        "kind": "full",
        "created_at": "2024-11-22T12:00:00+00:00",
        "data_from": "2026-11-01T00:00:00+00:00",
        "data_to": "2026-11-22T00:00:00+00:00",
        "events": 1234,
        "metrics": {"hit_rate@20": 0.5, "mrr@20": 0.25},
        "size_bytes": registry.size_bytes(a),
        "damage": None,
    }
    shown = models(data_dir, "list").stdout
    lines = {version: next(line for line in shown.splitlines() if version in line) for version in (a, b)}
    assert "current" in lines[a]
    assert "1,234" in lines[a]
    assert "hit_rate@20 0.500, mrr@20 0.250" in lines[a]
    assert "damaged" in lines[b]
    assert f"cannot be served: {b}/item_vectors.npy: must have SHA-256" in shown


def test_an_online_version_is_listed_with_its_own_figures(data_dir: Path, registry: ModelRegistry) -> None:
    (version,) = saved(registry, 1, online=[0])
    manifest = registry.manifest(version)
    manifest.metrics = {"mrr@20": 0.25, "progressive_mrr@20": 0.375}
    (registry.folder(version) / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    shown = models(data_dir, "list").stdout
    assert "progressive_mrr@20 0.375" in shown
    assert "0.250" not in shown
    assert as_json(data_dir, "list")["models"][0]["metrics"] == {"progressive_mrr@20": 0.375}


def test_a_version_is_shown_whole(data_dir: Path, registry: ModelRegistry) -> None:
    a, b = saved(registry, 2)
    registry.activate(a, reason="first")
    told = as_json(data_dir, "show")
    assert (told["version"], told["current"], told["damage"]) == (a, True, None)
    assert told["manifest"]["parameters"] == {"seed": 3}
    assert [each["reason"] for each in told["activations"]] == ["first"]
    assert "feature service" in models(data_dir, "show", b).stdout
    damage(data_dir / "models", b)
    assert as_json(data_dir, "show", b, code=1)["damage"].startswith(f"{b}/item_vectors.npy: must have SHA-256")


def test_activation_and_rollback_change_the_current_version(data_dir: Path, registry: ModelRegistry) -> None:
    a, b, c = saved(registry, 3)
    assert as_json(data_dir, "activate", a) == {"version": a, "before": None, "skipped": {}}
    assert models(data_dir, "activate", b, "--reason", "better").stdout == f"{b} is current; {a} was before\n"
    assert models(data_dir, "activate", b).stdout == f"{b} is current already\n"
    registry.activate(c)
    damage(data_dir / "models", b)
    answer = models(data_dir, "rollback", "--reason", "worse")
    assert answer.stdout == f"{a} is current; {c} was before\n"
    assert answer.stderr.startswith(f"{b} passed over: {b}/item_vectors.npy: must have SHA-256 ")
    assert [each.reason for each in registry.history()] == ["by the command line", "better", "", "worse"]
    refused = models(data_dir, "rollback", code=1)
    assert refused.stderr == f"liveshelf: models: a version that was current before {a} must be there\n"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("20261122T081500-0a1b", "model version: must be one that the registry has; got 20261122T081500-0a1b"),
        ("newest", "model version: must look like 20261122T081500-0a1b; got 'newest'"),
    ],
)
def test_an_unknown_version_is_told_in_one_line(data_dir: Path, version: str, message: str) -> None:
    for command in ("activate", "show"):
        assert models(data_dir, command, version, code=1).stderr == f"liveshelf: {message}\n"


def test_a_damaged_version_is_not_activated(data_dir: Path, registry: ModelRegistry) -> None:
    a, b = saved(registry, 2)
    registry.activate(a)
    damage(data_dir / "models", b)
    assert models(data_dir, "activate", b, code=1).stderr.startswith(f"liveshelf: {b}/item_vectors.npy: must have ")
    assert registry.current_version() == a


def test_pruning_removes_damaged_versions_first(data_dir: Path, registry: ModelRegistry) -> None:
    versions = saved(registry, 5)
    registry.activate(versions[0])
    registry.activate(versions[1])
    damage(data_dir / "models", versions[4])
    assert as_json(data_dir, "prune", "--keep", "3")["removed"] == [versions[2], versions[4]]


def test_pruning_tells_what_it_removed(data_dir: Path, registry: ModelRegistry) -> None:
    versions = saved(registry, 7)
    registry.activate(versions[6])
    told = as_json(data_dir, "prune")
    assert (told["removed"], told["kept"]) == (versions[:2], versions[2:])
    assert told["freed_bytes"] > 0
    assert models(data_dir, "prune", "--keep", "4").stdout.startswith(f"{versions[2]} removed\n1 removed, 4 kept, ")
    assert as_json(data_dir, "prune", "--keep", "4") == {"removed": [], "kept": versions[3:], "freed_bytes": 0}

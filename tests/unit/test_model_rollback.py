"""Activations of model versions, the way back, and what is removed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recommender.folder_lock import FolderInUse, lock_folder
from recommender.model import registry as registry_module
from recommender.model.activations import MOST_KEPT, Activation, Activations, trail
from recommender.model.artifact import DamagedModel, Gradients
from recommender.model.registry import ModelRegistry, NoEarlierModel, UnknownModel
from tests.models import NOON, damage, saved, small_model


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def registry(models_dir: Path) -> ModelRegistry:
    return ModelRegistry(models_dir)


def activate_all(registry: ModelRegistry, versions: list[str]) -> None:
    for version in versions:
        registry.activate(version)


def path_of(acts: str) -> str:
    """The trail after some acts: ``a`` is an activation of a, ``<a`` a rollback to it."""
    history = [
        Activation("", act.removeprefix("<"), "rollback" if act.startswith("<") else "activate") for act in acts.split()
    ]
    return " ".join(trail(history, None))


@pytest.mark.parametrize(
    ("acts", "left"),
    [
        ("a b c", "a b c"),
        ("a b c <b", "a b"),
        ("a b c <b <a", "a"),
        ("a b c <b d", "a b d"),
        ("a b a", "a b a"),
        ("a b a <b <a", "a"),
        ("a b c <a", "a"),
        ("a a b b", "a b"),
        ("<a b", "a b"),
    ],
)
def test_a_rollback_takes_what_it_went_back_over_off_the_trail(acts: str, left: str) -> None:
    assert path_of(acts) == left


def test_each_rollback_goes_one_version_further_back(registry: ModelRegistry) -> None:
    a, b, c = saved(registry, 3)
    activate_all(registry, [a, b, c])
    assert registry.rollback() == (b, c, {})
    assert registry.rollback() == (a, b, {})
    assert registry.current_version() == a
    with pytest.raises(NoEarlierModel, match=rf"^models: a version that was current before {a} must be there$"):
        registry.rollback()
    assert registry.current_version() == a


def test_what_was_rolled_back_from_is_not_returned_to_after_the_next_activation(registry: ModelRegistry) -> None:
    a, b, c, d = saved(registry, 4)
    activate_all(registry, [a, b, c])
    registry.rollback()
    registry.activate(d)
    assert registry.rollback().version == b
    assert registry.rollback().version == a


def test_a_rollback_passes_over_damaged_and_removed_versions_and_says_so(
    registry: ModelRegistry, models_dir: Path
) -> None:
    a, b, c, d = saved(registry, 4)
    activate_all(registry, [a, b, c, d])
    damage(models_dir, c)
    (models_dir / b).rename(models_dir / "elsewhere")
    found = registry.rollback()
    assert (found.version, found.before, list(found.skipped)) == (a, d, [c, b])
    assert found.skipped[c].startswith(f"{c}/item_vectors.npy: must have SHA-256 ")
    assert found.skipped[b] == f"model version: must be one that the registry has; got {b}"


def test_without_a_version_that_can_be_served_a_rollback_changes_nothing(
    registry: ModelRegistry, models_dir: Path
) -> None:
    a, b = saved(registry, 2)
    activate_all(registry, [a, b])
    damage(models_dir, a)
    history = registry.history()
    with pytest.raises(
        NoEarlierModel, match=rf"before {b} must be there; {a} cannot be served: {a}/item_vectors\.npy: "
    ):
        registry.rollback()
    assert (registry.current_version(), registry.history()) == (b, history)


def test_without_any_activation_there_is_nothing_to_go_back_to(registry: ModelRegistry) -> None:
    saved(registry, 2)
    with pytest.raises(NoEarlierModel, match=r"^models: a version that was current before any must be there$"):
        registry.rollback()


def test_a_rollback_leaves_a_current_version_that_is_damaged(registry: ModelRegistry, models_dir: Path) -> None:
    a, b = saved(registry, 2)
    activate_all(registry, [a, b])
    damage(models_dir, b)
    assert registry.rollback().version == a


def test_a_pointer_set_by_hand_is_part_of_the_way_back(registry: ModelRegistry, models_dir: Path) -> None:
    a, b, c = saved(registry, 3)
    registry.activate(a)
    (models_dir / "CURRENT").write_text(f"{b}\n")
    registry.activate(c)
    assert [each.act for each in registry.history()] == ["activate", "found", "activate"]
    assert registry.rollback().version == b
    (models_dir / "CURRENT").write_text(f"{c}\n")
    assert registry.rollback().version == b
    assert registry.rollback().version == a


def test_activations_are_noted_with_time_and_reason(registry: ModelRegistry) -> None:
    a, b = saved(registry, 2)
    registry.activate(a, reason="trained", now=NOON)
    registry.activate(b, now=NOON + timedelta(hours=1))
    registry.rollback(reason="clicks fell", now=NOON + timedelta(hours=2))
    assert registry.history() == [
        Activation("2024-11-22T12:00:00+00:00", a, "activate", "trained"),
        Activation("2024-11-22T13:00:00+00:00", b, "activate", ""),
        Activation("2024-11-22T14:00:00+00:00", a, "rollback", "clicks fell"),
    ]


def test_activating_the_current_version_again_is_noted_nowhere_but_seen(registry: ModelRegistry) -> None:
    a, b = saved(registry, 2)
    activate_all(registry, [a, b])
    before = registry.signs(b)
    assert registry.activate(b) == (b, b, {})
    assert len(registry.history()) == 2
    assert registry.signs(b) != before
    assert registry.rollback().version == a


def test_only_the_latest_activations_are_kept(tmp_path: Path) -> None:
    activations = Activations(tmp_path / "ACTIVATIONS")
    activations.append([Activation("", str(number), "activate") for number in range(MOST_KEPT + 5)])
    assert [each.version for each in activations.read()] == [str(number) for number in range(5, MOST_KEPT + 5)]


def test_a_line_that_is_no_activation_is_left_out(registry: ModelRegistry, models_dir: Path) -> None:
    a, b = saved(registry, 2)
    activate_all(registry, [a])
    with (models_dir / "ACTIVATIONS").open("ab") as file:
        file.write(b'{"at": half a li\n')
    registry.activate(b)
    assert registry.rollback().version == a


def test_what_only_learning_needs_is_checked_before_activation_too(registry: ModelRegistry, models_dir: Path) -> None:
    model = small_model()
    ones = np.ones((2, 4), np.float32)
    model.gradients = Gradients(ones, ones[:1], np.ones(1, np.float32))
    version = registry.save(model, NOON)
    registry.activate(version)
    (models_dir / version / "item_gradients.npy").write_bytes(b"x")
    with pytest.raises(DamagedModel, match=rf"^{version}/item_gradients\.npy: must have SHA-256 "):
        registry.activate(version)


def test_an_overview_tells_of_size_kind_and_damage(registry: ModelRegistry, models_dir: Path) -> None:
    a, b = saved(registry, 2, online=[1])
    registry.activate(a)
    good, online = registry.overview(a), registry.overview(b)
    assert (good.current, good.damage, online.current) == (True, None, False)
    assert good.size_bytes == sum(path.stat().st_size for path in (models_dir / a).iterdir())
    assert online.manifest is not None
    assert online.manifest.kind == "online"
    damage(models_dir, a)
    (models_dir / b / "manifest.json").write_text("{}")
    assert str(registry.overview(a).damage).startswith(f"{a}/item_vectors.npy: must have SHA-256")
    assert registry.overview(b).manifest is None
    with pytest.raises(UnknownModel):
        registry.overview("20261122T081500-0a1b")


def test_a_mended_version_is_no_longer_called_damaged(registry: ModelRegistry, models_dir: Path) -> None:
    (version,) = saved(registry, 1)
    path = models_dir / version / "item_vectors.npy"
    content = path.read_bytes()
    damage(models_dir, version)
    assert registry.damage(version) is not None
    path.write_bytes(content)
    assert registry.damage(version) is None


LATER = NOON + timedelta(days=1)


def test_pruning_removes_online_versions_first_then_the_oldest(registry: ModelRegistry) -> None:
    versions = saved(registry, 8, online=[1, 2, 3])
    full = [versions[place] for place in (0, 4, 5, 6, 7)]
    registry.activate(versions[7])
    found = registry.prune(6, now=LATER)
    assert found.removed == versions[1:3]
    assert found.kept == registry.versions() == [versions[0], *versions[3:]]
    assert found.freed_bytes > 0
    assert registry.prune(5, now=LATER).kept == full
    assert registry.prune(2, now=LATER).kept == versions[6:]
    assert registry.prune(2, now=LATER).removed == []


def test_pruning_spares_the_current_version_and_the_one_behind_it(registry: ModelRegistry, models_dir: Path) -> None:
    a, b, c, _, _ = saved(registry, 5)
    activate_all(registry, [a, b, c])
    damage(models_dir, b)
    assert registry.prune(1, now=LATER).kept == [a, c]
    assert registry.rollback().version == a


def test_pruning_spares_a_new_version_that_was_never_current(registry: ModelRegistry) -> None:
    a, b, c = saved(registry, 3)
    activate_all(registry, [a, b])
    just_made = NOON + timedelta(hours=2, minutes=5)
    assert registry.prune(1, now=just_made).removed == []
    assert registry.prune(1, now=just_made + timedelta(minutes=10)).removed == [c]


def test_pruning_removes_what_a_killed_process_has_left(registry: ModelRegistry, models_dir: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    left = models_dir / f".20261122T081500-0a1b.{ended.pid}"
    in_work = models_dir / f".20261122T081500-0a1c.{os.getpid()}"
    left.mkdir(parents=True)
    in_work.mkdir()
    registry.prune()
    assert (left.exists(), in_work.exists()) == (False, True)


def test_activations_of_many_threads_are_all_noted(registry: ModelRegistry) -> None:
    versions = saved(registry, 8)
    threads = [threading.Thread(target=registry.activate, args=(version,)) for version in versions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    noted = [each.version for each in registry.history()]
    assert sorted(noted) == versions
    assert registry.current_version() == noted[-1]


def test_activations_of_many_processes_are_all_noted(registry: ModelRegistry, models_dir: Path) -> None:
    versions = saved(registry, 4)
    code = (
        "import sys, pathlib; from recommender.model.registry import ModelRegistry\n"
        "registry = ModelRegistry(pathlib.Path(sys.argv[1]))\n"
        "for version in sys.argv[2:]: registry.activate(version)"
    )
    commands = [[sys.executable, "-c", code, str(models_dir), *order] for order in (versions, versions[::-1])]
    for process in [subprocess.Popen(command) for command in commands]:
        assert process.wait(60) == 0
    noted = [each.version for each in registry.history()]
    assert set(noted) == set(versions)
    assert all(one != other for one, other in pairwise(noted))
    assert registry.current_version() == noted[-1]


def test_who_waits_too_long_for_others_is_told_who_they_are(
    registry: ModelRegistry, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (version,) = saved(registry, 1)
    monkeypatch.setattr(registry_module, "_LOCK_WAIT_S", 0.05)
    with (
        lock_folder(models_dir, "models prune"),
        pytest.raises(FolderInUse, match=rf"got pid {os.getpid()} \(models prune\)$"),
    ):
        registry.activate(version)
    assert registry.activate(version).version == version


def test_a_process_that_serves_does_not_read_again_what_it_has_just_checked(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(models_dir, serves=True)
    a, b = saved(registry, 2)
    activate_all(registry, [a, b])
    read: list[str] = []
    original = registry_module.read_model
    monkeypatch.setattr(registry_module, "read_model", lambda folder: read.append(folder.name) or original(folder))
    assert registry.load(b).version == b
    assert read == []
    assert registry.load(b).version == b
    registry.rollback()
    assert registry.load(a).version == a
    assert read == [b, a]


def test_what_changes_between_check_and_load_is_read_again(models_dir: Path) -> None:
    registry = ModelRegistry(models_dir, serves=True)
    a, b = saved(registry, 2)
    registry.activate(a)
    damage(models_dir, a)
    with pytest.raises(DamagedModel):
        registry.load(a)
    registry.activate(b)
    assert registry.overviews()[0].damage is not None
    assert registry.load(b).version == b

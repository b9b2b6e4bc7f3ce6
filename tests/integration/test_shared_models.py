"""Several processes hold a model's arrays once, in copies that nobody else touches."""

from __future__ import annotations

import logging
import mmap
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.rollback import shop
from recommender.model.artifact import DamagedModel, Model
from recommender.model.registry import ModelRegistry
from recommender.serving.cells import Cells, make_cells
from recommender.serving.ports import ServableModel
from recommender.serving.shared import SharedModels

ITEMS = 3_000


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def saved(registry: ModelRegistry, seed: int = 0) -> str:
    return registry.save(shop.model(shop.item_ids(ITEMS), shop.catalogue(ITEMS), seed))


def sort(model: ServableModel) -> Cells:
    return make_cells(model.item_vectors, model.item_biases, 20)


def must_not_sort(model: ServableModel) -> Cells:
    raise AssertionError("another process has done so")


def loaded(
    folder: Path, registry: ModelRegistry, version: str, sort: Callable[[ServableModel], Cells] = sort
) -> tuple[Model, Cells]:
    model, cells = SharedModels(folder).load(lambda: registry.load(version), sort)
    assert isinstance(model, Model)
    return model, cells


def is_mapped(values: Any) -> bool:
    while isinstance(values, np.ndarray | memoryview):
        values = values.base if isinstance(values, np.ndarray) else values.obj
    return isinstance(values, mmap.mmap)


def copies(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def test_a_model_whose_arrays_are_shared_is_the_same_model(registry: ModelRegistry, tmp_path: Path) -> None:
    version = saved(registry)
    alone = registry.load(version)
    for model, cells in (
        loaded(tmp_path / "shared", registry, version),
        loaded(tmp_path / "shared", registry, version, must_not_sort),
    ):
        for name in ("item_vectors", "item_biases", "shopper_embeddings", "item_embeddings", "item_feature_biases"):
            np.testing.assert_array_equal(getattr(model, name), getattr(alone, name))
        for mine, expected in zip(cells, sort(alone), strict=True):
            np.testing.assert_array_equal(mine, expected)
        asked, weights = np.array([5, 205, 999]), np.array([1.0, 0.5, 0.25])
        for mine, expected in (
            (model.parts.visits.alike(asked, weights), alone.parts.visits.alike(asked, weights)),
            (model.parts.histories.alike(asked, weights), alone.parts.histories.alike(asked, weights)),
            (model.parts.linear.from_all(asked, weights), alone.parts.linear.from_all(asked, weights)),
        ):
            for one, other in zip(mine, expected, strict=True):
                np.testing.assert_array_equal(one, other)


def test_what_is_large_is_mapped_and_cannot_be_changed(registry: ModelRegistry, tmp_path: Path) -> None:
    model, cells = loaded(tmp_path / "shared", registry, saved(registry))
    large = (cells.points, model.shopper_embeddings, model.parts.visits.items, model.parts.linear.weights)
    for values in (*large, model.parts.visits._by_item[0]):
        assert is_mapped(values)
        assert type(values) is np.ndarray
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 0
    assert not is_mapped(cells.starts)


def test_files_of_the_model_that_are_shortened_while_it_is_served_end_no_process(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    version = saved(registry)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tests.integration.test_shared_models import loaded\n"
        "from recommender.model.registry import ModelRegistry\n"
        "registry = ModelRegistry(Path(sys.argv[1]))\n"
        "model, cells = loaded(Path(sys.argv[2]), registry, sys.argv[3])\n"
        "for path in registry.folder(sys.argv[3]).iterdir():\n"
        "    path.write_bytes(b'')\n"
        "print(float(cells.points.sum()) != 0, len(model.parts.linear.weights), model.item_vectors.shape)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "models"), str(tmp_path / "shared"), version]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, f"True {ITEMS * 50} ({ITEMS}, 64)\n")


def test_a_damaged_model_is_refused_whether_or_not_there_is_a_copy_of_it(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    version = saved(registry)
    for _ in range(2):
        (registry.folder(version) / "item_vectors.npy").write_bytes(b"")
        with pytest.raises(DamagedModel, match=r"item_vectors\.npy: must have SHA-256"):
            loaded(tmp_path / "shared", registry, version)
        version = saved(registry, 1)
        loaded(tmp_path / "shared", registry, version)


def test_the_copies_of_two_versions_are_kept_and_removed_ones_stay_with_who_has_them(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    versions = [saved(registry, seed) for seed in range(4)]
    (tmp_path / "shared" / ".left half written").mkdir(parents=True)
    first, _ = loaded(tmp_path / "shared", registry, versions[0])
    for version in versions[1:]:
        loaded(tmp_path / "shared", registry, version)
    assert [path.name.rpartition("-")[0] for path in copies(tmp_path / "shared")] == sorted(versions[2:])
    np.testing.assert_array_equal(first.shopper_embeddings, registry.load(versions[0]).shopper_embeddings)


def test_a_copy_from_before_the_machine_started_is_not_used(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = saved(registry)
    loaded(tmp_path / "shared", registry, version)
    monkeypatch.setattr("psutil.boot_time", lambda: 1_000_000_000.0)
    loaded(tmp_path / "shared", registry, version)
    assert len(copies(tmp_path / "shared")) == 2


def test_where_no_copies_can_be_written_each_process_has_its_own_arrays(
    registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    version = saved(registry)
    monkeypatch.setattr("numpy.save", no_room)
    with caplog.at_level(logging.WARNING):
        model, cells = loaded(tmp_path / "shared", registry, version)
    assert not is_mapped(cells.points)
    assert model.version == version
    assert "No space left on device" in caplog.text
    assert copies(tmp_path / "shared") == []

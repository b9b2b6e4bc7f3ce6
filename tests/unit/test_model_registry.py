import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from recommender.model.artifact import DamagedModel, Model
from recommender.model.manifest import Manifest
from recommender.model.registry import ModelRegistry

NOW = datetime(2026, 11, 22, 8, 15, tzinfo=UTC)


def model() -> Model:
    rng = np.random.default_rng(3)
    return Model(
        item_ids=["a", "b", "ü > 1"],
        item_vectors=rng.random((3, 4), np.float32),
        item_biases=rng.random(3, np.float32),
        shopper_features=["recent=a", "hour=3"],
        shopper_embeddings=rng.random((2, 4), np.float32),
        item_features=["item=a", "category=X"],
        item_embeddings=rng.random((2, 4), np.float32),
        item_feature_biases=rng.random(2, np.float32),
        manifest=Manifest(
            data_from="2026-11-01T00:00:00+00:00",
            data_to="2026-11-22T00:00:00+00:00",
            events=10,
            examples=10,
            users=2,
            items=3,
            features=4,
            epochs=2,
            seconds=0.5,
            metrics={"hit_rate@20": 0.5},
            baselines={},
            parameters={"seed": 1},
            feature_service="shopper_v1",
            feature_views=["session", "user"],
        ),
    )


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models")


def test_a_model_comes_back_exactly_as_it_was_saved(registry: ModelRegistry) -> None:
    saved = model()
    loaded = registry.load(registry.save(saved, NOW))
    for name in ("item_ids", "shopper_features", "item_features", "manifest", "version"):
        assert getattr(loaded, name) == getattr(saved, name)
    for name in ("item_vectors", "item_biases", "shopper_embeddings", "item_embeddings", "item_feature_biases"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name), strict=True)


def test_version_names_sort_by_time(registry: ModelRegistry) -> None:
    later, sooner = registry.save(model(), NOW + timedelta(seconds=1)), registry.save(model(), NOW)
    assert re.fullmatch(r"20261122T081500-[0-9a-f]{4}", sooner)
    assert registry.versions() == [sooner, later]


def test_there_is_no_current_model_before_one_is_activated(registry: ModelRegistry) -> None:
    assert registry.current_version() is None
    assert registry.load_current() is None
    assert registry.versions() == []


def test_the_pointer_follows_activation(registry: ModelRegistry) -> None:
    first, second = registry.save(model(), NOW), registry.save(model(), NOW + timedelta(seconds=1))
    registry.activate(second)
    registry.activate(first)
    current = registry.load_current()
    assert current is not None
    assert current.version == registry.current_version() == first


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def _edit(**changes: object) -> Callable[[Path], None]:
    def edit(path: Path) -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return edit


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("item_vectors.npy", _append, r"/item_vectors\.npy: must have SHA-256 [0-9a-f]{64}; got [0-9a-f]{64}"),
        ("item_biases.npy", os.unlink, r"/item_biases\.npy: must be a readable file; No such file or directory"),
        ("names.jsonl", _append, r"/names\.jsonl: must have SHA-256 [0-9a-f]{64}; got [0-9a-f]{64}"),
        ("manifest.json", _append, r"/manifest\.json: JSON is malformed: trailing characters \(byte \d+\)"),
        ("manifest.json", os.unlink, r"/manifest\.json: must be a readable file; No such file or directory"),
        ("manifest.json", _edit(format=2), r"/manifest\.json: format must be 3; got 2"),
        ("manifest.json", _edit(version="other"), r"/manifest\.json: version must be \S+; got 'other'"),
        ("manifest.json", _edit(events="ten"), r"/manifest\.json: Expected `int`, got `str` - at `\$\.events`"),
        (
            "manifest.json",
            _edit(embedding_size=5),
            r"/item_vectors\.npy: must be float32 of shape \(3, 5\); got float32 of shape \(3, 4\)",
        ),
    ],
)
def test_a_damaged_version_is_refused_with_file_and_rule_and_the_current_one_stays(
    registry: ModelRegistry, tmp_path: Path, file: str, damage: Callable[[Path], None], message: str
) -> None:
    good, bad = registry.save(model(), NOW), registry.save(model(), NOW + timedelta(seconds=1))
    registry.activate(good)
    damage(tmp_path / "models" / bad / file)
    with pytest.raises(DamagedModel, match=f"^{bad}{message}$"):
        registry.activate(bad)
    assert registry.current_version() == good


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(registry: ModelRegistry, value: float) -> None:
    broken = model()
    broken.item_biases[1] = value
    version = registry.save(broken, NOW)
    with pytest.raises(DamagedModel, match=rf"^{version}/item_biases\.npy: all values must be finite$"):
        registry.load(version)


def test_names_must_fit_the_arrays(registry: ModelRegistry) -> None:
    broken = model()
    broken.item_ids.append("c")
    version = registry.save(broken, NOW)
    with pytest.raises(DamagedModel, match=r"/item_vectors\.npy: must be float32 of shape \(4, 4\); got"):
        registry.load(version)


@pytest.mark.parametrize("version", ["", "../../etc", "20261122T081500", ".20261122T081500-0a1b"])
def test_a_name_that_is_no_version_is_refused(registry: ModelRegistry, version: str) -> None:
    with pytest.raises(DamagedModel, match=r"^model version: must look like 20261122T081500-0a1b; got "):
        registry.load(version)


def test_a_model_that_cannot_be_written_leaves_nothing_behind(registry: ModelRegistry, tmp_path: Path) -> None:
    broken = model()
    broken.manifest.metrics = {"hit_rate@20": object()}  # type: ignore[dict-item]
    with pytest.raises(TypeError):
        registry.save(broken, NOW)
    assert registry.versions() == []
    assert list((tmp_path / "models").iterdir()) == []


def test_loading_needs_neither_lightfm_nor_pandas() -> None:
    code = (
        "import sys, recommender.model.registry, recommender.model.description\n"
        "print([name for name in ('lightfm', 'pandas', 'scipy', 'feast') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

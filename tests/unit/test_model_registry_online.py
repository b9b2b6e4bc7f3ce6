"""What the registry does for the learner: it replaces the expected version alone, and prunes online versions apart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recommender.model.registry import ModelRegistry, OtherModelCurrent
from tests.models import small_model

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def keep(registry: ModelRegistry, number: int, parent: str = "") -> str:
    model = small_model()
    model.manifest.kind = "online" if parent else "full"
    model.manifest.parent = parent
    return registry.save(model, NOW + timedelta(minutes=number))


def test_a_version_takes_the_place_of_the_expected_one_alone(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    first, second, third = (keep(registry, number) for number in range(3))
    registry.activate(first)
    registry.activate(second, instead_of=first)
    with pytest.raises(OtherModelCurrent, match=f"models activate: {first} must be current; got {second}"):
        registry.activate(third, instead_of=first)
    assert registry.current_version() == second


@pytest.mark.parametrize(("kept", "left"), [(0, 2), (1, 2), (3, 3), (9, 5)])
def test_online_versions_are_pruned_apart_and_what_serves_or_may_serve_again_stays(
    tmp_path: Path, kept: int, left: int
) -> None:
    registry = ModelRegistry(tmp_path)
    full = [keep(registry, number) for number in range(3)]
    registry.activate(full[0])
    online = [keep(registry, 10 + number, full[0]) for number in range(5)]
    for version in online:
        registry.activate(version)
    removed = registry.prune_online(kept)
    assert registry.versions() == [*full, *online[5 - left :]]
    assert removed == online[: 5 - left]


def test_pruning_spares_the_parent_that_learning_would_fall_back_to(tmp_path: Path) -> None:
    registry = ModelRegistry(tmp_path)
    parent = keep(registry, 0)
    others = [keep(registry, number) for number in range(1, 5)]
    for version in [parent, *others, keep(registry, 10, parent)]:
        registry.activate(version)
    registry.prune(1, now=NOW + timedelta(days=1))
    assert parent in registry.versions()
    assert set(others[:-1]).isdisjoint(registry.versions())

"""Small stand-ins for the serving core's neighbours, in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recommender.changes import ChangeNotice
from recommender.features import FeatureRow
from recommender.model.parts import Parts
from recommender.serving.ports import Floats


class FakeModel:
    """Trained on some items; knows shoppers by a recent item that it was trained on, and items by category."""

    def __init__(self, item_ids: Sequence[str], version: str = "v1", size: int = 4) -> None:
        random = np.random.default_rng(7)
        self.version = version
        self.item_ids = list(item_ids)
        self.item_vectors = random.normal(size=(len(self.item_ids), size)).astype(np.float32)
        self.item_biases = np.zeros(len(self.item_ids), np.float32)
        self.parts = Parts()

    def user_vector(self, description: Mapping[str, float]) -> tuple[Floats, bool]:
        rows = [row for row, item in enumerate(self.item_ids) if f"recent={item}" in description]
        vector: Floats = self.item_vectors[rows].sum(axis=0)
        return vector, bool(rows)

    def item_vector(self, description: Mapping[str, float]) -> tuple[Floats, float, bool]:
        known = any(feature.startswith("category=") for feature in description)
        return np.full(self.item_vectors.shape[1], 0.5, np.float32), 0.25, known


class FakeFeatures:
    """Feature rows in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], FeatureRow] = {}
        self.reads: list[tuple[str, tuple[str, ...]]] = []
        self.broken = False

    def write(self, *rows: FeatureRow) -> None:
        for row in rows:
            self.rows[row.view, row.key] = row

    def read(self, row_type: type[Any], keys: Sequence[str]) -> list[Any]:
        if self.broken:
            raise ConnectionError("the store is away")
        self.reads.append((row_type.view, tuple(keys)))
        return [self.rows.get((row_type.view, key)) for key in keys]

    def item_ids(self) -> list[str]:
        if self.broken:
            raise ConnectionError("the store is away")
        return sorted({key for view, key in self.rows if view.startswith("item_")})

    def item_count(self) -> int:
        return len(self.item_ids())


class FakeModels:
    """A model registry in memory."""

    def __init__(self) -> None:
        self.models: dict[str, FakeModel] = {}
        self.current: str | None = None
        self.activations = 0

    def current_version(self) -> str | None:
        return self.current

    def signs(self, version: str) -> object:
        return self.activations, id(self.models.get(version))

    def load(self, version: str) -> FakeModel:
        if version not in self.models:
            raise RuntimeError(f"{version}/manifest.json: must be a readable file")
        return self.models[version]


def notice(position: int, view: str, *keys: str) -> ChangeNotice:
    return ChangeNotice(f"{position}-0", view, keys)

"""Feast's objects, derived from the feature row classes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.data_format import ParquetFormat
from feast.repo_config import RepoConfig
from feast.types import Array, Bool, Float64, Int64, String

from recommender.features import ROW_TYPES, ColumnType, FeatureRow
from recommender.history import EVENT_TIMESTAMP, parts_glob

SERVICES = {
    "shopper_v1": ("session", "user", "user_items", "user_purchases"),
    "item_v1": ("item_catalogue", "item_activity"),
    "category_v1": ("category",),
}
"""Feature service to the views that it serves whole."""

_DTYPES = {
    ColumnType.INT: Int64,
    ColumnType.FLOAT: Float64,
    ColumnType.STRING: String,
    ColumnType.BOOL: Bool,
    ColumnType.INT_LIST: Array(Int64),
    ColumnType.FLOAT_LIST: Array(Float64),
    ColumnType.STRING_LIST: Array(String),
}

_FOR_EVER = timedelta(days=36_525)
"""A century. Feast takes a ttl of zero as one year when ``materialize-incremental`` looks for its first start."""


class _PartFiles(FileSource):
    """Part-files that match a pattern."""

    def validate(self, config: RepoConfig) -> None:
        """Check that there are some; Feast itself takes the pattern for a file name and warns that it is missing."""
        folder, _, pattern = self.path.rpartition("/")
        if not any(Path(folder).glob(pattern)):
            raise FileNotFoundError(f"{self.name}: needs part-files; there are none at {self.path}")


def declare(history_dir: Path) -> dict[str, Entity | FileSource | FeatureView | FeatureService]:
    """Return all objects to register, each under a name of its own."""
    entities = {row_type.entity: _entity(row_type) for row_type in ROW_TYPES}
    sources = {row_type.view: _source(row_type, history_dir) for row_type in ROW_TYPES}
    views = {
        row_type.view: _view(row_type, entities[row_type.entity], sources[row_type.view]) for row_type in ROW_TYPES
    }
    services = {
        name: FeatureService(name=name, features=[views[view] for view in served]) for name, served in SERVICES.items()
    }
    return {
        **_named("entity", entities),
        **_named("source", sources),
        **_named("view", views),
        **_named("service", services),
    }


def _named(kind: str, objects: Mapping[str, object]) -> dict[str, object]:
    return {f"{kind}_{name}": one for name, one in objects.items()}


def _entity(row_type: type[FeatureRow]) -> Entity:
    return Entity(name=row_type.entity, join_keys=[row_type.entity], value_type=ValueType.STRING)


def _source(row_type: type[FeatureRow], history_dir: Path) -> FileSource:
    return _PartFiles(
        name=f"{row_type.view}_history",
        path=parts_glob(history_dir, row_type.view),
        file_format=ParquetFormat(),
        timestamp_field=EVENT_TIMESTAMP,
        description=f"every row of {row_type.view} that the stream has written",
    )


def _view(row_type: type[FeatureRow], entity: Entity, source: FileSource) -> FeatureView:
    key = Field(name=row_type.entity, dtype=String)
    columns = [
        Field(name=column.name, dtype=_DTYPES[column.type], description=column.description)
        for column in row_type.columns()
    ]
    return FeatureView(
        name=row_type.view,
        entities=[entity],
        schema=[key, *columns],
        source=source,
        ttl=row_type.ttl or _FOR_EVER,
        description=(row_type.__doc__ or "").strip(),
    )

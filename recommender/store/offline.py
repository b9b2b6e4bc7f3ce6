"""Feast's offline store on DuckDB, with a point-in-time join that grows with the rows and not with their square."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.repo_config import RepoConfig

from recommender.history import EVENT_TIMESTAMP, part_files
from recommender.store.point_in_time import ROWS_PER_BATCH, JoinedView, join

# Ibis calls what this version of DuckDB is about to rename; a user of a command can do nothing about it.
warnings.filterwarnings("ignore", message=".*fetch_arrow_table", category=DeprecationWarning)


class LiveshelfOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """No settings of its own."""

    type: Literal["recommender.store.offline.LiveshelfOfflineStore"] = "recommender.store.offline.LiveshelfOfflineStore"


class LiveshelfOfflineStore(DuckDBOfflineStore):
    """Feast's own joins each entity row to all earlier rows of its key, and then keeps the latest of them.

    With rows that hold lists, and keys with hundreds of rows, that takes minutes and 10 GB where ours takes seconds and
    the memory of a batch. The outcome is the same, with one column more for each view: ``view__event_timestamp``, the
    feature time of the row found, without which it could not be aged.
    """

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: Any,
        project: str,
        full_feature_names: bool = False,
        **options: Any,
    ) -> RetrievalJob:
        """Join in our way where the question is ours: a frame of entity rows and full names; else leave it to Feast."""
        if not isinstance(entity_df, pd.DataFrame) or EVENT_TIMESTAMP not in entity_df or not full_feature_names:
            return DuckDBOfflineStore.get_historical_features(
                config, feature_views, feature_refs, entity_df, registry, project, full_feature_names, **options
            )
        return PointInTimeJob(entity_df, feature_views, feature_refs)


class PointInTimeJob(RetrievalJob):
    """A join that runs when its outcome is asked for."""

    def __init__(self, entity_rows: pd.DataFrame, views: list[FeatureView], refs: list[str]) -> None:
        self._entity_rows = entity_rows
        self._views = [_joined_view(view, refs) for view in views]
        self._refs = refs

    def batches(self) -> Iterator[pa.Table]:
        """Yield the entity rows, in their order, with what was found for them."""
        entity_rows = pa.Table.from_pandas(self._entity_rows, preserve_index=False).replace_schema_metadata()
        return join(entity_rows, EVENT_TIMESTAMP, self._views, ROWS_PER_BATCH)

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:
        return pa.concat_tables(self.batches())

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal().to_pandas()
        return frame

    @property
    def full_feature_names(self) -> bool:
        """Views are named in the columns."""
        return True

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """There are none."""
        return []

    @property
    def metadata(self) -> RetrievalMetadata:
        """What was asked for."""
        times = self._entity_rows[EVENT_TIMESTAMP]
        keys = list(set(self._entity_rows.columns) - {EVENT_TIMESTAMP})
        return RetrievalMetadata(self._refs, keys, times.min(), times.max())


def _joined_view(view: FeatureView, refs: list[str]) -> JoinedView:
    (key,) = [column.name for column in view.entity_columns]
    return JoinedView(
        name=view.name,
        key=key,
        columns=[ref.partition(":")[2] for ref in refs if ref.startswith(f"{view.name}:")],
        files=partial(_files, view.batch_source.path),
        time=view.batch_source.timestamp_field,
        ttl=view.ttl,
    )


def _files(pattern: str) -> list[str]:
    """Return the files of a table of the history, the small ones that are soon to be merged first."""
    folder = Path(pattern).parent
    return [str(path) for path in reversed(part_files(folder.parent, folder.name))] or [pattern]

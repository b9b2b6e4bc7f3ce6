"""The point-in-time join that training reads, against a plain search through the rows."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from recommender.features import (
    ROW_TYPES,
    FeatureRow,
    ItemActivity,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
)
from recommender.history import HistoryWriter, ensure_tables
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.feature_rows import many_rows

START_US, END_US = 1_500_000_000_000_000, 1_500_000_000_000_200
"""So close that many rows and questions fall on the same microsecond."""
KEYS = ["a", "b", "c"]
JOINED: tuple[type[FeatureRow], ...] = (
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
    ItemCatalogue,
    ItemActivity,
)


def entity_rows(random_: random.Random, count: int) -> pd.DataFrame:
    """Return what to ask: ids, some of them unknown, and when."""
    asked = [*KEYS, "unknown", ""]
    times = [random_.randint(START_US - 20, END_US + 20) for _ in range(count)]
    return pd.DataFrame(
        {
            "session_id": random_.choices(asked, k=count),
            "user_id": random_.choices(asked, k=count),
            "item_id": random_.choices(asked, k=count),
            "event_timestamp": pd.to_datetime(times, unit="us", utc=True).astype("datetime64[us, UTC]"),
            "example": range(count),
        }
    )


def plain(value: Any) -> Any:
    """Return a value of the joined frame as the row classes hold it, None for null."""
    if isinstance(value, np.ndarray | list):
        return list(value)
    return None if pd.isna(value) else value


def join(features: FeastFeatures, asked: pd.DataFrame) -> pd.DataFrame:
    """Ask as training does, and put the batches together."""
    table = pa.Table.from_pandas(asked, preserve_index=False)
    return pa.concat_tables(features.history_batches(table, JOINED)).to_pandas()


def as_of(written: list[FeatureRow], row_type: type[FeatureRow], key: str, time_us: int) -> FeatureRow | None:
    """Return the latest row of a key that is not later than an instant."""
    known = [row for row in written if isinstance(row, row_type) and row.key == key and row.time_us <= time_us]
    return max(known, key=lambda row: row.time_us, default=None)


def test_each_entity_row_gets_the_latest_rows_that_are_not_later_than_itself(settings: Settings) -> None:
    history_dir = Installation(settings.data_dir).history_dir
    ensure_tables(history_dir)
    apply(settings)
    written = many_rows(KEYS, START_US, END_US, of_each_view=40)
    writer = HistoryWriter(history_dir, "0", 0)
    for number, row in enumerate(written):
        writer.add_row(row)
        if number % 30 == 0:
            writer.flush()
    writer.flush()
    asked = entity_rows(random.Random(7), 200)
    before = asked.copy()

    features = FeastFeatures.open(settings)
    joined = join(features, asked).set_index("example").sort_index()

    pd.testing.assert_frame_equal(asked, before)
    assert len(joined) == len(asked)
    found = 0
    for example, row in enumerate(asked.itertuples()):
        time_us = int(row.event_timestamp.value) // 1000
        for row_type in JOINED:
            expected = as_of(written, row_type, getattr(row, row_type.entity), time_us)
            found += expected is not None
            for column in row_type.columns():
                got = plain(joined.at[example, f"{row_type.view}__{column.name}"])
                wanted = None if expected is None else getattr(expected, column.name)
                if column.type.value == "int" and wanted is not None:
                    wanted = float(wanted)
                assert got == wanted, (example, row_type.view, column.name)
            found_at = plain(joined.at[example, f"{row_type.view}__event_timestamp"])
            assert (found_at and found_at.value // 1000) == (expected and expected.time_us)
    assert found > 200
    features.close()


def test_a_new_installation_joins_to_nulls(settings: Settings) -> None:
    apply(settings)
    features = FeastFeatures.open(settings)
    joined = join(features, entity_rows(random.Random(1), 3))
    names = [f"{row_type.view}__{column.name}" for row_type in JOINED for column in row_type.columns()]
    assert joined[names].isna().all(axis=None)
    assert sum(row_type in JOINED for row_type in ROW_TYPES) == len(JOINED)
    features.close()

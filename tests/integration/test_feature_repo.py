"""The Feast repository as a Feast user meets it: by the ``feast`` command, with nothing but environment variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import psutil
import redis

from recommender.features import ROW_TYPES, FeatureRow
from recommender.history import HistoryWriter
from recommender.installation import Installation, RunRecord
from recommender.settings import Settings
from recommender.store import FeastFeatures
from tests.feature_rows import many_rows

START_US, END_US = 1_500_000_000_000_000, 1_500_000_600_000_000
"""Years back, as replayed events are."""
KEYS = ["a", "b", "user:ü", "x > y", "0", "None", 'q"']


def feast(environment: dict[str, str], *arguments: str) -> str:
    """Run a command in the repository's folder, far from UTC; return what it printed."""
    folder = Path(__file__).parents[2] / "feature_repo"
    command = [str(Path(sys.executable).with_name("feast")), *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=inherited | {"TZ": "Asia/Tokyo"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout + done.stderr


def stored(features: FeastFeatures, written: list[FeatureRow]) -> dict[tuple[str, str], FeatureRow | None]:
    """Return what the store holds of each key written."""
    found: dict[tuple[str, str], FeatureRow | None] = {}
    for row_type in ROW_TYPES:
        keys = sorted({row.key for row in written if row.view == row_type.view})
        rows = features.read(row_type, keys)
        found |= {(row_type.view, key): row for key, row in zip(keys, rows, strict=True)}
    return found


def instant(time_us: int) -> str:
    return pd.Timestamp(time_us, unit="us").isoformat()


def test_apply_registers_what_is_declared_and_materializing_rebuilds_what_the_stream_wrote(
    settings: Settings, redis_url: str
) -> None:
    by_address = {"LIVESHELF_DATA_DIR": str(settings.data_dir), "LIVESHELF_REDIS_URL": redis_url}
    printed = feast(by_address, "apply")
    assert "WARNING" not in printed, printed
    features = FeastFeatures.open(settings)
    assert registered(features) == declared()

    written = many_rows(KEYS, START_US, END_US)
    latest = {(row.view, row.key): row for row in written}
    installation = Installation(settings.data_dir)
    writer = HistoryWriter(installation.history_dir, "0", 0)
    for start in range(0, len(written), 40):
        part = written[start : start + 40]
        for row in part:
            writer.add_row(row)
        writer.flush()
        features.write(part)
    online, items = stored(features, written), features.item_ids()
    assert online == latest
    assert items == sorted(KEYS)

    client = redis.Redis.from_url(redis_url)
    client.flushall()
    assert set(stored(features, written).values()) == {None}
    started_at = psutil.Process().create_time()
    installation.write_run_record(RunRecord(os.getpid(), started_at, redis_url, "http://127.0.0.1:8000"))
    feast({"LIVESHELF_DATA_DIR": str(settings.data_dir)}, "materialize-incremental", instant(END_US))
    assert stored(features, written) == online
    assert features.item_ids() == items

    client.flushall()
    newer = [row for row in latest.values() if row.view == "session"][:2]
    features.write([msgspec.structs.replace(row, feature_time_us=END_US + 1) for row in newer])
    feast(by_address, "materialize", instant(START_US), instant(END_US))
    rebuilt = stored(features, written)
    for row in newer:
        kept = rebuilt.pop((row.view, row.key))
        assert kept is not None
        assert kept.time_us == END_US + 1
    assert rebuilt == {place: row for place, row in online.items() if place in rebuilt}
    client.close()
    features.close()


def registered(features: FeastFeatures) -> dict[str, Any]:
    store = features._store
    return {
        "views": {
            view.name: (
                view.join_keys,
                view.batch_source.timestamp_field,
                [(field.name, str(field.dtype), field.description) for field in view.features],
            )
            for view in store.list_feature_views()
        },
        "entities": sorted(entity.name for entity in store.list_entities()),
        "services": {
            service.name: sorted(projection.name for projection in service.feature_view_projections)
            for service in store.list_feature_services()
        },
    }


def declared() -> dict[str, Any]:
    dtypes = {
        "int": "Int64",
        "float": "Float64",
        "string": "String",
        "bool": "Bool",
        "int_list": "Array(Int64)",
        "float_list": "Array(Float64)",
        "string_list": "Array(String)",
    }
    return {
        "views": {
            row_type.view: (
                [row_type.entity],
                "event_timestamp",
                [(column.name, dtypes[column.type.value], column.description) for column in row_type.columns()],
            )
            for row_type in ROW_TYPES
        },
        "entities": ["category", "item_id", "session_id", "user_id"],
        "services": {
            "shopper_v1": ["session", "user", "user_items", "user_purchases"],
            "item_v1": ["item_activity", "item_catalogue"],
            "category_v1": ["category"],
        },
    }

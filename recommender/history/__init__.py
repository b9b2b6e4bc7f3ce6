"""The history: everything accepted, as Parquet part-files that Feast's offline store, training and validation read."""

from recommender.history.parts import ForeignHistory, HistoryWriter, ensure_tables, part_files, parts_glob
from recommender.history.schema import (
    EVENT_TIMESTAMP,
    EVENTS,
    SCHEMAS,
    schema_of,
    table_of_events,
    table_of_rows,
)

__all__ = [
    "EVENTS",
    "EVENT_TIMESTAMP",
    "SCHEMAS",
    "ForeignHistory",
    "HistoryWriter",
    "ensure_tables",
    "part_files",
    "parts_glob",
    "schema_of",
    "table_of_events",
    "table_of_rows",
]

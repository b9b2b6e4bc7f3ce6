"""Which rows of the history are checked: the latest ones of each table, up to a stated number."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.history import EVENT_TIMESTAMP, EVENTS, SCHEMAS, part_files
from validation.measures import measured

MOST_ROWS = 500_000
_BATCH_ROWS = 65_536
_NEVER = datetime.min.replace(tzinfo=UTC)


class UnreadableHistory(ValueError):
    """A part-file of the history is damaged, or does not fit the others of its table."""


class SampleSize(NamedTuple):
    """How much of a table is checked."""

    rows: int
    rows_in_history: int


class _RowGroup(NamedTuple):
    latest: datetime
    path: Path
    number: int
    rows: int


def rule(most_rows: int) -> str:
    """Say which rows are checked."""
    return (
        f"of each table the row groups with the latest event times, until they hold {most_rows:,} rows; "
        "of the last one taken, its last rows"
    )


def write_sample(history_dir: Path, table: str, most_rows: int, into: Path) -> SampleSize:
    """Write the rows of a table that are to be checked, measured, as one Parquet file.

    Raises:
        UnreadableHistory: a part-file is damaged, or its types differ from those of another part-file.
    """
    paths = part_files(history_dir, table)
    groups, schema = _survey(table, paths)
    rows = 0
    into.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(into, measured(table, schema.empty_table()).schema, compression="zstd") as writer:
        for group in groups:
            wanted = min(group.rows, most_rows - rows)
            for part in _read(table, group, wanted, schema):
                writer.write_table(measured(table, part))
            rows += wanted
    return SampleSize(rows, sum(group.rows for group in groups))


def _survey(table: str, paths: list[Path]) -> tuple[list[_RowGroup], pa.Schema]:
    """Return the row groups of all part-files, the latest first, and the schema that fits them all."""
    groups: list[_RowGroup] = []
    schemas: dict[pa.Schema, Path] = {}
    for path in paths:
        try:
            metadata = pq.read_metadata(path)
        except (pa.ArrowException, OSError) as error:
            raise UnreadableHistory(f"history.{table}: {path.name} cannot be read; {_first_line(error)}") from error
        schema = metadata.schema.to_arrow_schema()
        schemas.setdefault(schema, path)
        time_column = schema.get_field_index("event_time" if table == EVENTS else EVENT_TIMESTAMP)
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            statistics = group.column(time_column).statistics if time_column >= 0 else None
            latest = statistics.max if statistics is not None and statistics.has_min_max else _NEVER
            groups.append(_RowGroup(latest, path, number, group.num_rows))
    try:
        unified = pa.unify_schemas(list(schemas) or [SCHEMAS[table]], promote_options="permissive")
    except pa.ArrowException as error:
        names = ", ".join(path.name for path in schemas.values())
        raise UnreadableHistory(f"history.{table}: column types differ in {names}; {_first_line(error)}") from error
    return sorted(groups, reverse=True), unified


def _read(table: str, group: _RowGroup, wanted: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the last ``wanted`` rows of a row group, batch by batch; columns that it lacks are null."""
    skip = group.rows - wanted
    if not wanted:
        return
    try:
        with pq.ParquetFile(group.path) as file:
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, row_groups=[group.number]):
                part = pa.Table.from_batches([batch.slice(min(skip, len(batch)))])
                skip = max(0, skip - len(batch))
                if len(part):
                    yield pa.concat_tables([schema.empty_table(), part], promote_options="permissive").select(
                        schema.names
                    )
    except (pa.ArrowException, OSError) as error:
        raise UnreadableHistory(f"history.{table}: {group.path.name} cannot be read; {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

"""The point-in-time join on Parquet files, by DuckDB: to each entity row the latest row of its key not after it.

First keys and times alone are joined, then the wide columns of the rows found are read, once, and put on disk by batch
of entity rows. So it takes the memory of one batch, and the time to read the files, however long the history is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

ROWS_PER_BATCH = 20_000
_MOST_BATCHES = 400
"""More would be too many open files; batches get larger instead."""
_ROWS_READ_AT_ONCE = 8_192
_MEMORY = "2GB"
"""What DuckDB may take before it goes to disk."""
_PLACE = "entity row"


class JoinedView(NamedTuple):
    """A feature view in the history."""

    name: str
    key: str
    """Column with the id of its entity, here and in the entity rows."""
    columns: Sequence[str]
    files: Callable[[], Sequence[str]]
    """Lists its Parquet files."""
    time: str
    """Column with the feature time."""
    ttl: timedelta
    """How old a row may be."""


def join(entity_rows: pa.Table, time: str, views: Sequence[JoinedView], rows_per_batch: int) -> Iterator[pa.Table]:
    """Yield the entity rows, in their order, with ``view__column`` and ``view__time`` of what is found for each.

    These are null where nothing is found.

    Args:
        entity_rows: the views' keys, a time, and other columns that pass through.
        time: the column with the time, also the name under which a view's feature time is given.
        views: what to join.
        rows_per_batch: entity rows that are yielded at once.
    """
    rows_per_batch = max(rows_per_batch, -(-len(entity_rows) // _MOST_BATCHES))
    with tempfile.TemporaryDirectory(prefix="liveshelf-join-") as folder, duckdb.connect() as database:
        database.execute(f"SET memory_limit = '{_MEMORY}'; SET temp_directory = '{folder}/spilled'")
        database.execute("SET preserve_insertion_order = false; SET enable_progress_bar = false")
        # A file may be merged with others, and removed, before all of it is read.
        again = Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(duckdb.IOException), reraise=True)
        spools = [again(_spooled, database, entity_rows, time, view, Path(folder), rows_per_batch) for view in views]
        for batch, start in enumerate(range(0, max(1, len(entity_rows)), rows_per_batch)):
            joined = entity_rows.slice(start, rows_per_batch)
            for spool in spools:
                rows = spool.read(batch)
                places = rows.column(_PLACE).to_numpy() - start
                taken = np.full(len(joined), -1)
                taken[places] = np.arange(len(places))
                rows = rows.drop_columns([_PLACE]).take(pa.array(taken, mask=taken < 0))
                for field, column in zip(rows.schema, rows.columns, strict=True):
                    joined = joined.append_column(field, column)
            yield joined


def _spooled(
    database: Any, entity_rows: pa.Table, time: str, view: JoinedView, folder: Path, rows_per_batch: int
) -> _Spool:
    place = Path(tempfile.mkdtemp(prefix=f"{view.name}-", dir=folder))
    return _Spool(_find(database, entity_rows, time, view), place, rows_per_batch)


def _find(database: Any, entity_rows: pa.Table, time: str, view: JoinedView) -> Any:
    """Return the query for the rows that are found, in no order, with the place of the entity row of each."""
    places = pa.array(np.arange(len(entity_rows)))
    asked = [places, entity_rows.column(view.key), entity_rows.column(time)]
    database.register("asked", pa.table(asked, names=["place", "key", "asked_at"]))
    rows = f"read_parquet([{', '.join(map(_text, view.files()))}], union_by_name = true)"
    found, key, at = _name(f"found {view.name}"), _name(view.key), _name(view.time)
    database.execute(
        f"""CREATE OR REPLACE TEMP TABLE {found} AS
        SELECT asked.place, asked.key, kept.at
        FROM asked ASOF JOIN (SELECT {key} AS key, {at} AS at FROM {rows}) kept
        ON asked.key = kept.key AND asked.asked_at >= kept.at
        WHERE epoch_us(asked.asked_at) - epoch_us(kept.at) <= {view.ttl // timedelta(microseconds=1)}"""  # noqa: S608
    )
    database.unregister("asked")
    columns = {column: f"{view.name}__{column}" for column in view.columns} | {view.time: f"{view.name}__{time}"}
    wide = ", ".join(f"kept.{_name(column)} AS {_name(full)}" for column, full in columns.items())
    return database.sql(
        f"""SELECT found.place AS {_name(_PLACE)}, {wide}
        FROM {rows} kept JOIN {found} found ON kept.{key} = found.key AND kept.{at} = found.at"""  # noqa: S608
    )


class _Spool:
    """What is found of a view, in a file for each batch of entity rows."""

    def __init__(self, found: Any, folder: Path, rows_per_batch: int) -> None:
        self._folder = folder
        reader = found.to_arrow_reader(_ROWS_READ_AT_ONCE)
        self._schema = reader.schema
        with ExitStack() as open_files:
            files: dict[int, Any] = {}
            for rows in reader:
                batches = rows.column(_PLACE).to_numpy() // rows_per_batch
                order = np.argsort(batches, kind="stable")
                numbers, starts = np.unique(batches[order], return_index=True)
                ordered = rows.take(pa.array(order))
                for number, start, end in zip(numbers.tolist(), starts, [*starts[1:], len(order)], strict=True):
                    if number not in files:
                        options = pa.ipc.IpcWriteOptions(compression="lz4")
                        files[number] = open_files.enter_context(
                            pa.ipc.new_file(self._path(number), self._schema, options=options)
                        )
                    files[number].write_batch(ordered.slice(start, end - start))

    def read(self, batch: int) -> pa.Table:
        """Read and remove what was found for a batch."""
        path = self._path(batch)
        if not path.exists():
            return self._schema.empty_table()
        with pa.ipc.open_file(path) as file:
            rows = file.read_all().combine_chunks()
        path.unlink()
        return rows

    def _path(self, batch: int) -> Path:
        return self._folder / f"{batch}.arrow"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

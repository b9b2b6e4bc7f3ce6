"""Rows of a Parquet file, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from recommender.loaders.rows import UnreadableFile

PARQUET_MAGIC = b"PAR1"
_BATCH_ROWS = 8_192
_MOST_INTEGER = 2**63


def parquet_rows(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Return the column names and the rows, each as a dict of JSON values.

    Raises:
        UnreadableFile: the file is damaged; also while its rows are read.
    """
    from pyarrow import ArrowException, parquet  # takes 0.3 s, and few files are Parquet

    try:
        file = parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise UnreadableFile(f"{path}: is damaged Parquet ({error})") from None

    def rows() -> Iterator[dict[str, Any]]:
        try:
            for batch in file.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    yield {name: _json_value(value) for name, value in row.items()}
        except (ArrowException, OSError) as error:
            raise UnreadableFile(f"{path}: is damaged Parquet ({error})") from None

    return file.schema_arrow.names, rows()


def _json_value(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and abs(value) < _MOST_INTEGER else float(value)
    if isinstance(value, dict):
        return {name: _json_value(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_json_value(inner) for inner in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)

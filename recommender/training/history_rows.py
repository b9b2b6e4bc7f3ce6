"""Feature rows out of a point-in-time join's columns."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommender.features import ColumnType, FeatureRow
from recommender.history import EVENT_TIMESTAMP

R = TypeVar("R", bound=FeatureRow)

_LISTS = (ColumnType.INT_LIST, ColumnType.FLOAT_LIST, ColumnType.STRING_LIST)


def rows_found(joined: pa.Table, row_type: type[R]) -> list[R | None]:
    """Return the rows of a view that a join has found, None where there is none.

    A row from before a column was added to its view counts as none, as it does in the online store.
    """
    names = [f"{row_type.view}__{column.name}" for column in row_type.columns()]
    time = f"{row_type.view}__{EVENT_TIMESTAMP}"
    is_there = np.ones(len(joined), np.bool_)
    for name in (*names, time):
        column = joined.column(name)
        if column.null_count:
            is_there &= pc.is_valid(column).to_numpy()
    places = np.flatnonzero(is_there)
    rows: list[R | None] = [None] * len(joined)
    if not len(places):
        return rows
    there = joined.select([row_type.entity, time, *names]).take(pa.array(places)).combine_chunks()
    keys, times = there.column(0).to_pylist(), there.column(1).cast(pa.int64()).to_pylist()
    values = [
        _values(there.column(name).chunk(0), column.type)
        for name, column in zip(names, row_type.columns(), strict=True)
    ]
    for place, row in zip(places.tolist(), map(row_type, keys, times, *values), strict=True):
        rows[place] = row
    return rows


def _values(column: Any, kind: ColumnType) -> list[Any]:
    if kind not in _LISTS:
        return column.to_numpy(zero_copy_only=False).tolist()
    ends = column.offsets.to_numpy().tolist()
    values = column.values.to_numpy(zero_copy_only=False).tolist()
    return [values[start:end] for start, end in pairwise(ends)]

"""Feature rows made at random from their declared columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import strategies as st

from recommender.features import Column, ColumnType, FeatureRow

R = TypeVar("R", bound=FeatureRow)

TIMES_US = st.integers(min_value=1, max_value=4_102_444_800_000_000)
"""1970 to 2099."""
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


def _integers(column: Column) -> st.SearchStrategy[int]:
    lowest = -(2**63) if column.minimum is None else int(column.minimum)
    return st.integers(min_value=lowest, max_value=2**63 - 1)


def _floats(column: Column) -> st.SearchStrategy[float]:
    return st.floats(min_value=column.minimum, allow_nan=False, allow_infinity=False)


_VALUES: dict[ColumnType, Callable[[Column], st.SearchStrategy[Any]]] = {
    ColumnType.INT: _integers,
    ColumnType.FLOAT: _floats,
    ColumnType.STRING: lambda column: TEXTS,
    ColumnType.BOOL: lambda column: st.booleans(),
    ColumnType.INT_LIST: lambda column: st.lists(_integers(column), max_size=4),
    ColumnType.FLOAT_LIST: lambda column: st.lists(_floats(column), max_size=4),
    ColumnType.STRING_LIST: lambda column: st.lists(TEXTS, max_size=4),
}


def rows(
    row_type: type[R], keys: st.SearchStrategy[str] = KEYS, times_us: st.SearchStrategy[int] = TIMES_US
) -> st.SearchStrategy[R]:
    """Return a strategy of rows of a view with any values that its columns can hold."""
    values = (_VALUES[column.type](column) for column in row_type.columns())
    return st.builds(row_type, keys, times_us, *values)

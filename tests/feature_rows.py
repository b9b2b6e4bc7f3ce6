"""Feature rows made at random from their declared columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from recommender.features import ROW_TYPES, Column, ColumnType, FeatureRow

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


def many_rows(keys: Sequence[str], first_us: int, last_us: int, *, of_each_view: int = 60) -> list[FeatureRow]:
    """Return the same rows each time, of all views, several for a key, in the order in which a stream could write."""
    made: dict[tuple[str, str, int], FeatureRow] = {}
    for row_type in ROW_TYPES:
        strategy = rows(row_type, st.sampled_from(keys), st.integers(first_us, last_us))

        @settings(
            max_examples=of_each_view,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def collect(row: FeatureRow) -> None:
            made[row.view, row.key, row.time_us] = row

        collect()
    return sorted(made.values(), key=lambda row: row.time_us)

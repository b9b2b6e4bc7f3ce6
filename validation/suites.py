"""The expectation suites: one for each table of the history, derived from events and feature rows."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

import great_expectations.expectations as gxe
import pyarrow as pa
from great_expectations.expectations.expectation import Expectation

from recommender.events import FUTURE_LIMIT
from recommender.features import ROW_TYPES, Column, ColumnType, FeatureRow
from recommender.features.windows import WINDOW_1H, WINDOW_5M, WINDOW_24H, WINDOW_30D
from recommender.history import EVENT_TIMESTAMP, EVENTS, SCHEMAS
from validation.event_rules import FieldRule, field_rules, item_kinds, kinds
from validation.measures import AHEAD_S, PROBLEM, greatest, least, length, measured, nulls

_PANDAS_TYPES = {
    pa.int64(): "Int64Dtype",
    pa.float64(): "Float64Dtype",
    pa.string(): "StringDtype",
    pa.bool_(): "BooleanDtype",
}
_WINDOWS = [window.name for window in (WINDOW_5M, WINDOW_1H, WINDOW_24H, WINDOW_30D)]
"""The shortest first: what is in one is in all that follow."""
_LISTS = {ColumnType.INT_LIST, ColumnType.FLOAT_LIST, ColumnType.STRING_LIST}


def expectations_of(table: str, now: datetime) -> list[Expectation]:
    """Return what is expected of a table of the history.

    Args:
        table: a feature view, or ``EVENTS``.
        now: no time in the history may lie further ahead of it than an event's may.
    """
    expected = list(_of_every_table(table))
    if table == EVENTS:
        expected += _of_events()
    else:
        expected += _of_view(next(row_type for row_type in ROW_TYPES if row_type.view == table), now)
    return expected


def _of_every_table(table: str) -> Iterator[Expectation]:
    """Expect exactly the defined columns, with their types, without nulls."""
    schema = SCHEMAS[table]
    flat = measured(table, schema.empty_table()).schema
    yield gxe.ExpectTableColumnsToMatchSet(column_set=flat.names, exact_match=True)
    for field in flat:
        if field.name in schema.names and field.type in _PANDAS_TYPES:
            yield gxe.ExpectColumnValuesToBeInTypeList(column=field.name, type_list=[_PANDAS_TYPES[field.type]])
    for field in schema:
        if pa.types.is_list(field.type):
            yield gxe.ExpectColumnValuesToNotBeNull(column=length(field.name))
        elif field.name in flat.names:
            yield gxe.ExpectColumnValuesToNotBeNull(column=field.name)


def _of_view(row_type: type[FeatureRow], now: datetime) -> Iterator[Expectation]:
    yield gxe.ExpectColumnValueLengthsToBeBetween(column=row_type.entity, min_value=1)
    yield gxe.ExpectColumnValuesToBeBetween(column=EVENT_TIMESTAMP, max_value=now + FUTURE_LIMIT)
    yield gxe.ExpectCompoundColumnsToBeUnique(column_list=[row_type.entity, EVENT_TIMESTAMP])
    columns = row_type.columns()
    for column in columns:
        yield from _of_column(column)
    for together in row_type.parallel_lists:
        for one, other in pairwise(together):
            yield gxe.ExpectColumnPairValuesToBeEqual(column_A=length(one), column_B=length(other))
    yield from _of_windows({column.name for column in columns})


def _of_column(column: Column) -> Iterator[Expectation]:
    minimum, maximum = column.minimum, column.maximum
    if column.type in (ColumnType.FLOAT, ColumnType.FLOAT_LIST):
        # An infinite number, or none, is within no bounds.
        minimum = -sys.float_info.max if minimum is None else minimum
        maximum = sys.float_info.max if maximum is None else maximum
    if column.type in _LISTS:
        yield gxe.ExpectColumnValuesToBeBetween(column=nulls(column.name), max_value=0, notes=column.description)
        if minimum is not None:
            yield gxe.ExpectColumnValuesToBeBetween(column=least(column.name), min_value=minimum)
        if maximum is not None:
            yield gxe.ExpectColumnValuesToBeBetween(column=greatest(column.name), max_value=maximum)
    elif minimum is not None or maximum is not None:
        yield gxe.ExpectColumnValuesToBeBetween(
            column=column.name, min_value=minimum, max_value=maximum, notes=column.description
        )


def _of_windows(names: set[str]) -> Iterator[Expectation]:
    """Expect no more in a window than in a longer one."""
    stems = {name.removesuffix(f"_{window}") for name in names for window in _WINDOWS if name.endswith(f"_{window}")}
    for stem in sorted(stems):
        counts = [f"{stem}_{window}" for window in _WINDOWS if f"{stem}_{window}" in names]
        for shorter, longer in pairwise(counts):
            yield gxe.ExpectColumnPairValuesAToBeGreaterThanB(column_A=longer, column_B=shorter, or_equal=True)


def _of_events() -> Iterator[Expectation]:
    yield gxe.ExpectColumnValuesToBeUnique(column="event_id")
    yield gxe.ExpectColumnValuesToBeInSet(column="kind", value_set=kinds())
    yield gxe.ExpectColumnValuesToBeBetween(
        column=AHEAD_S,
        max_value=FUTURE_LIMIT.total_seconds(),
        notes="how far an event time may lie ahead of our clock [s]",
    )
    yield gxe.ExpectColumnValuesToBeNull(column=PROBLEM, notes="each payload is a valid event, the one of its row")
    yield gxe.ExpectColumnValueLengthsToBeBetween(
        column="item_id",
        min_value=1,
        row_condition=f"kind.isin({item_kinds()!r})",
        condition_parser="pandas",
        notes="an event about an item names it",
    )
    for column, rule in field_rules().items():
        yield from _of_field(column, rule)


def _of_field(column: str, rule: FieldRule) -> Iterator[Expectation]:
    if rule.minimum is not None or rule.maximum is not None:
        yield gxe.ExpectColumnValuesToBeBetween(column=column, min_value=rule.minimum, max_value=rule.maximum)
    if rule.most_length is not None:
        yield gxe.ExpectColumnValueLengthsToBeBetween(
            column=column, min_value=rule.least_length, max_value=rule.most_length
        )
    if rule.pattern is not None:
        yield gxe.ExpectColumnValuesToMatchRegex(column=column, regex=rule.pattern)

"""``liveshelf validate`` on a valid history, on one with a fault of each sort, and on values just out of bounds."""

from __future__ import annotations

import contextlib
import io
import json
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from cli import validate
from recommender.features import ROW_TYPES, Column, ColumnType, FeatureRow
from recommender.history import EVENT_TIMESTAMP, SCHEMAS, part_files
from recommender.installation import Installation
from tests.integration.validation_history import NOON, break_part, with_value, write_history
from validation.report import Report

LISTS = {ColumnType.INT_LIST, ColumnType.FLOAT_LIST}


def run(data_dir: Path, as_json: bool = True) -> tuple[int, str]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = validate.run(data_dir, as_json)
    return code, printed.getvalue()


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, Any]:
    """A valid history, the exit code and the report of its validation."""
    data_dir = tmp_path_factory.mktemp("valid")
    write_history(Installation(data_dir).history_dir)
    code, printed = run(data_dir)
    return data_dir, code, json.loads(printed)


def repeat_first(rows: pa.Table) -> pa.Table:
    return pa.concat_tables([rows, rows.slice(0, 1)])


FAULTS = {
    "a negative count": ("user", with_value("views_1h", -2), "expect_column_values_to_be_between", "views_1h", "-2"),
    "a null": ("user", with_value("currency", None), "expect_column_values_to_not_be_null", "currency", "<NA>"),
    "a null list": (
        "item_catalogue",
        with_value("tags", None),
        "expect_column_values_to_not_be_null",
        "length(tags)",
        "<NA>",
    ),
    "a null in a list": (
        "session",
        with_value("cart_items", ["shoe", None]),
        "expect_column_values_to_be_between",
        "nulls(cart_items)",
        "1",
    ),
    "lists of unequal length": (
        "user",
        with_value("top_category_scores", []),
        "expect_column_pair_values_to_be_equal",
        "length(top_categories), length(top_category_scores)",
        None,
    ),
    "more in an hour than in a day": (
        "item_activity",
        with_value("views_1h", 10**6),
        "expect_column_pair_values_a_to_be_greater_than_b",
        "views_24h, views_1h",
        None,
    ),
    "two rows of one instant": (
        "category",
        repeat_first,
        "expect_compound_columns_to_be_unique",
        f"category, {EVENT_TIMESTAMP}",
        None,
    ),
    "a row from the future": (
        "session",
        with_value(EVENT_TIMESTAMP, NOON + timedelta(days=36_500), row=1),
        "expect_column_values_to_be_between",
        EVENT_TIMESTAMP,
        "2126-02-05 12:00:00+00:00",
    ),
    "a column of another type": (
        "item_catalogue",
        lambda rows: rows.set_column(3, "stock", rows["stock"].cast(pa.float64())),
        "expect_column_values_to_be_in_type_list",
        "stock",
        "float64",
    ),
    "a column too many": (
        "item_activity",
        lambda rows: rows.append_column("surprise", rows["trend_score"]),
        "expect_table_columns_to_match_set",
        "",
        None,
    ),
    "an unknown kind": (
        "events",
        with_value("kind", "glance", row=1),
        "expect_column_values_to_be_in_set",
        "kind",
        "glance",
    ),
    "an event twice": ("events", repeat_first, "expect_column_values_to_be_unique", "event_id", "e7"),
    "an item event without an item": (
        "events",
        with_value("item_id", ""),
        "expect_column_value_lengths_to_be_between",
        "item_id",
        "",
    ),
    "a malformed country": (
        "events",
        with_value("country", "Germany", row=1),
        "expect_column_values_to_match_regex",
        "country",
        "Germany",
    ),
    "an event from the future": (
        "events",
        with_value("event_time", NOON + timedelta(hours=1), row=1),
        "expect_column_values_to_be_between",
        "event_time - ingested_at",
        None,
    ),
    "a payload that is no event": (
        "events",
        with_value("payload", "{}", row=2),
        "expect_column_values_to_be_null",
        "problem(payload)",
        "event.kind: Field required",
    ),
    "a negative price": (
        "events",
        with_value("price_cents", -2),
        "expect_column_values_to_be_between",
        "price_cents",
        "-2",
    ),
    "no quantity": ("events", with_value("quantity", 0, row=1), "expect_column_values_to_be_between", "quantity", "0"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, Any, str]:
    """The exit code and the report of the validation of a history with all the faults, and the same for humans."""
    data_dir = tmp_path_factory.mktemp("faulty")
    history_dir = Installation(data_dir).history_dir
    write_history(history_dir)
    for table, change, *_ in FAULTS.values():
        break_part(history_dir, table, change)
    code, printed = run(data_dir)
    shown = io.StringIO()
    validate.show(msgspec.json.decode(printed, type=Report), Console(file=shown, width=200))
    return code, json.loads(printed), shown.getvalue()


def test_a_valid_history_passes(valid: tuple[Path, int, Any]) -> None:
    _, code, report = valid
    assert [found["failed"] for found in report["tables"].values()] == [[]] * len(SCHEMAS)
    assert report["success"] is True
    assert code == 0


def test_every_row_of_every_table_is_checked(valid: tuple[Path, int, Any]) -> None:
    data_dir, _, report = valid
    history_dir = Installation(data_dir).history_dir
    for table in SCHEMAS:
        rows = sum(pq.read_metadata(path).num_rows for path in part_files(history_dir, table))
        assert rows > 0
        assert report["tables"][table]["rows"] == report["tables"][table]["rows_in_history"] == rows
        assert report["tables"][table]["expectations"] > len(SCHEMAS[table])


def test_data_docs_tell_the_result_of_each_table_and_need_no_network(valid: tuple[Path, int, Any]) -> None:
    _, _, report = valid
    first = Path(report["data_docs"])
    links = re.findall(r'href="(validations/[^"]+)">(\w+)</a>', first.read_text())
    assert sorted(table for _, table in links) == sorted(SCHEMAS)
    for page in [first, *first.parent.glob("*/**/*.html")]:
        text = page.read_text()
        assert not re.findall(r"""<(?:script|link|img)\b[^>]*=["']?https?://[^>]*>""", text), page
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)
        assert styles
        assert all((page.parent / style).is_file() for style in styles), page


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_the_expectation_about_it(fault: str, faulty: tuple[int, Any, str]) -> None:
    table, _, expectation, column, sample = FAULTS[fault]
    failed = faulty[1]["tables"][table]["failed"]
    found = [failure for failure in failed if (failure["expectation"], failure["column"]) == (expectation, column)]
    assert len(found) == 1, failed
    assert sample is None or sample in found[0]["sample"]


def test_a_faulty_history_exits_with_1(faulty: tuple[int, Any, str]) -> None:
    code, report, _ = faulty
    assert report["success"] is False
    assert code == 1


def test_each_failure_is_printed_with_table_column_and_values(faulty: tuple[int, Any, str]) -> None:
    line = "failed events.kind: expect_column_values_to_be_in_set in 1 rows; got glance"
    assert line in faulty[2]


def outside(column: Column) -> Iterator[Any]:
    """Yield the values just outside a column's bounds."""
    for bound, way in ((column.minimum, -1), (column.maximum, 1)):
        if bound is not None:
            beyond = math.nextafter(bound, way * math.inf) if "float" in column.type.value else int(bound) + way
            yield [beyond] if column.type in LISTS else beyond
    if column.type is ColumnType.FLOAT:
        yield math.inf
        yield math.nan


def out_of_bounds() -> list[tuple[type[FeatureRow], Column, Any]]:
    return [
        (row_type, column, value)
        for row_type in ROW_TYPES
        for column in row_type.columns()
        for value in outside(column)
    ]


@pytest.fixture(scope="module")
def beyond(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The failures of a history with a row for each value just outside a bound."""
    data_dir = tmp_path_factory.mktemp("beyond")
    history_dir = Installation(data_dir).history_dir
    write_history(history_dir)
    for row_type, column, value in out_of_bounds():
        break_part(
            history_dir, row_type.view, lambda rows, column=column, value=value: with_row(rows, column.name, value)
        )
    from validation.checkpoint import validate_history  # loads Great Expectations

    report = validate_history(Installation(data_dir), now=NOON + timedelta(days=1))
    return {table: found.failed for table, found in report.tables.items()}


def with_row(rows: pa.Table, column: str, value: Any) -> pa.Table:
    """Return the rows and another one, a microsecond later than all, with one value."""
    row = rows.slice(0, 1).to_pylist()[0]
    latest = max(rows[EVENT_TIMESTAMP].to_pylist())
    row |= {column: value, EVENT_TIMESTAMP: latest + timedelta(microseconds=1)}
    return pa.concat_tables([rows, pa.Table.from_pylist([row], schema=rows.schema)])


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
def test_what_a_row_types_bounds_reject_an_expectation_rejects(row_type: type[FeatureRow], beyond: Any) -> None:
    cases = [(column, value) for of, column, value in out_of_bounds() if of is row_type]
    between = [failure for failure in beyond[row_type.view] if failure.expectation.endswith("_to_be_between")]
    counts = {failure.column: failure.unexpected_count for failure in between}
    expected: dict[str, int] = {}
    for column, value in cases:
        bound = column.minimum if column.minimum is not None and not _above(column, value) else column.maximum
        assert bound is not None or column.type is ColumnType.FLOAT
        measure = column.name
        if column.type in LISTS:
            measure = f"{'greatest' if _above(column, value) else 'least'}({column.name})"
        expected[measure] = expected.get(measure, 0) + 1
    assert {column: counts.get(column) for column in expected} == expected


def _above(column: Column, value: Any) -> bool:
    number = value[0] if isinstance(value, list) else value
    return column.maximum is not None and number > column.maximum

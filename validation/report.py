"""What a validation found."""

from __future__ import annotations

from typing import Any

import msgspec

_VALUE_LENGTH = 80


class Failure(msgspec.Struct):
    """An expectation that does not hold."""

    expectation: str
    column: str
    """The column, or the columns joined by ``, ``; empty for the whole table."""
    unexpected_count: int | None
    """Rows against it [count]; null where it is not about rows."""
    sample: list[str]
    """A few of the values against it, or why it could not be evaluated."""


class TableReport(msgspec.Struct):
    """What was checked of one table, and what does not hold."""

    rows: int
    rows_in_history: int
    expectations: int
    failed: list[Failure]


class Report(msgspec.Struct):
    """A whole run."""

    success: bool
    tables: dict[str, TableReport]
    sample: str
    """Which rows were checked."""
    data_docs: str
    """Path of the first page."""
    seconds: float = 0.0


def failure_of(result: Any, most_values: int) -> Failure:
    """Return a failed result of Great Expectations in short."""
    config = result.expectation_config
    kwargs = config.kwargs
    columns = [kwargs.get(name) for name in ("column", "column_A", "column_B")] + list(kwargs.get("column_list") or ())
    found = result.result or {}
    values = found.get("partial_unexpected_list") or []
    if not values and "observed_value" in found:
        values = [found["observed_value"]]
    if not values:
        values = _causes(result.exception_info)
    return Failure(
        expectation=config.type,
        column=", ".join(column for column in columns if column),
        unexpected_count=found.get("unexpected_count"),
        sample=[_shown(value) for value in values[:most_values]],
    )


def _causes(exception_info: Any) -> list[str]:
    """Return the messages of what kept an expectation from being evaluated."""
    if not exception_info:
        return []
    infos = [exception_info] if "raised_exception" in exception_info else exception_info.values()
    return [str(info["exception_message"]) for info in infos if info.get("raised_exception")]


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _VALUE_LENGTH else text[: _VALUE_LENGTH - 1] + "…"

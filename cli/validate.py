"""``liveshelf validate``: check the history with Great Expectations."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.problem import Problem, existing_installation
from recommender.history import SCHEMAS, part_files
from recommender.installation import Installation

if TYPE_CHECKING:
    from validation.report import Report

HOLDS, FAILED, NOTHING_TO_CHECK = 0, 1, 2
"""Exit codes."""


def run(data_dir: Path | None, as_json: bool) -> int:
    """Check the history of an installation; print what was found on standard output, progress on standard error.

    Raises:
        Problem: there is no history yet.
        UnreadableHistory: a part-file is damaged, or does not fit the others of its table.
    """
    started = time.monotonic()
    installation = Installation(existing_installation(data_dir).data_dir)
    progress = Console(stderr=True)
    if not any(part_files(installation.history_dir, table) for table in SCHEMAS):
        where = installation.history_dir
        raise Problem(f"validate: history is empty; nothing to check in {where}", NOTHING_TO_CHECK)
    progress.print("validate: loading Great Expectations", style="dim")
    from validation.checkpoint import validate_history  # takes seconds to load, so only where it is needed

    def tell(step: str) -> None:
        progress.print(f"validate: {step}", style="dim", markup=False)

    report = validate_history(installation, now=datetime.now(UTC), progress=tell)
    report.seconds = round(time.monotonic() - started, 1)
    if as_json:
        print(msgspec.json.encode(report).decode())
    else:
        show(report, Console())
    return HOLDS if report.success else FAILED


def show(report: Report, console: Console) -> None:
    """Print a report for people."""
    table = Table("table", "rows checked", "of", "expectations", "failed", title="Data quality of the history")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, found in report.tables.items():
        failed = f"[red]{len(found.failed)}[/red]" if found.failed else "0"
        table.add_row(name, f"{found.rows:,}", f"{found.rows_in_history:,}", str(found.expectations), failed)
    console.print(table)
    for name, found in report.tables.items():
        for failure in found.failed:
            rows = "" if failure.unexpected_count is None else f" in {failure.unexpected_count:,} rows"
            console.print(
                f"[red]failed[/red] {escape(name)}.{escape(failure.column)}: {failure.expectation}{rows}; "
                f"got {escape(', '.join(failure.sample))}"
            )
    console.print(f"Checked: {report.sample}.", style="dim", highlight=False)
    console.print(f"Data Docs: {report.data_docs}", highlight=False, soft_wrap=True)
    console.print("All expectations hold." if report.success else "Some expectations do not hold.")

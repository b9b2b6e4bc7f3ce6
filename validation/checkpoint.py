"""The checkpoint: all suites over the history in one run, with stored results and Data Docs in the data folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.types.base import ProgressBarsConfig

from recommender.history import SCHEMAS
from recommender.installation import Installation
from validation import data_docs
from validation.report import Report, TableReport, failure_of
from validation.sample import MOST_ROWS, SampleSize, rule, write_sample
from validation.suites import expectations_of

KEPT_RUNS = 10
_CHECKPOINT = "history"
_DERIVED = ("expectations", "validation_definitions", "checkpoints")
_SHOWN_VALUES = 5


def validate_history(
    installation: Installation,
    *,
    now: datetime,
    most_rows: int = MOST_ROWS,
    progress: Callable[[str], None] = lambda _: None,
) -> Report:
    """Check the history of an installation and build its Data Docs.

    The rows checked stay beside the docs, in ``sample/``, until the next run. Results of the last ten runs are kept.

    Args:
        installation: says where history and validation lie.
        now: the time of the run; no time in the history may lie well ahead of it.
        most_rows: how many rows of each table are checked at most.
        progress: is told what is done next.

    Raises:
        UnreadableHistory: a part-file is damaged, or does not fit the others of its table.
    """
    folder = installation.validation_dir
    sample_dir = folder / "sample"
    shutil.rmtree(sample_dir, ignore_errors=True)
    sizes: dict[str, SampleSize] = {}
    for table in SCHEMAS:
        progress(f"reading {table}")
        sizes[table] = write_sample(installation.history_dir, table, most_rows, sample_dir / f"{table}.parquet")
    checked = [table for table, size in sizes.items() if size.rows]
    progress(f"checking {sum(size.rows for size in sizes.values()):,} rows of {len(checked)} tables")
    results = _run(folder, sample_dir, checked, now) if checked else {}
    tables = {
        table: TableReport(
            rows=size.rows,
            rows_in_history=size.rows_in_history,
            expectations=len(results.get(table, ())),
            failed=[failure_of(result, _SHOWN_VALUES) for result in results.get(table, ()) if not result.success],
        )
        for table, size in sizes.items()
    }
    progress("building Data Docs")
    site = data_docs.site_of(folder)
    data_docs.keep_runs(folder, KEPT_RUNS)
    data_docs.make_readable_offline(site)
    return Report(
        success=bool(checked) and not any(report.failed for report in tables.values()),
        tables=tables,
        sample=rule(most_rows),
        data_docs=str(site / "index.html"),
    )


def _run(folder: Path, sample_dir: Path, tables: list[str], now: datetime) -> dict[str, list[Any]]:
    """Run the checkpoint over the samples; return each table's results, one for each expectation."""
    folder.mkdir(parents=True, exist_ok=True)
    for derived in _DERIVED:  # comparing them with those of the last run would take longer than to make them anew
        shutil.rmtree(folder / "gx" / derived, ignore_errors=True)
    context = gx.get_context(mode="file", project_root_dir=folder)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_or_update_pandas_filesystem("history", base_directory=sample_dir)
    definitions = []
    for table in tables:
        asset = source.add_parquet_asset(table, dtype_backend="numpy_nullable")
        batch = asset.add_batch_definition_path("sample", path=f"{table}.parquet")
        suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expectations_of(table, now)))
        definitions.append(
            context.validation_definitions.add(gx.ValidationDefinition(name=table, data=batch, suite=suite))
        )
    checkpoint = context.checkpoints.add(
        gx.Checkpoint(
            name=_CHECKPOINT,
            validation_definitions=definitions,
            actions=[UpdateDataDocsAction(name="data_docs")],
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": _SHOWN_VALUES},
        )
    )
    # Texts in Arrow's form take a fraction of the memory that as many Python objects would.
    with pd.option_context("mode.string_storage", "pyarrow"):
        found = checkpoint.run(run_id=RunIdentifier(run_name=data_docs.RUN_NAME, run_time=now))
    return {result.suite_name: list(result.results) for result in found.run_results.values()}

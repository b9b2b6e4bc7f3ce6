"""How far a load has come, on standard error; and its summary, on standard output."""

from __future__ import annotations

import json
import sys
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from cli.load_report import DONE, FAILED, INTERRUPTED, LoadReport
from recommender.loaders import Loader

_PLAIN_INTERVAL_S = 10.0
_BAR_INTERVAL_S = 0.1


class LoadDisplay:
    """A progress bar in a terminal, a line every ten seconds elsewhere. A context manager."""

    def __init__(self, loader: Loader, report: LoadReport) -> None:
        self._loader = loader
        self._report = report
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn(loader.dataset),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[counts]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=max(1, loader.total_bytes), counts="")
        self._due = time.monotonic() + (_BAR_INTERVAL_S if self._bar else _PLAIN_INTERVAL_S)

    def __enter__(self) -> LoadDisplay:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, remark: str = "") -> None:
        """Show how far the load is, if it is time."""
        now = time.monotonic()
        if now < self._due:
            return
        report = self._report
        counts = f"{report.accepted:,} accepted, {report.rejected:,} rejected" + (f", {remark}" if remark else "")
        if self._bar:
            self._bar.update(self._task, completed=self._loader.bytes_read, counts=counts)
            self._due = now + _BAR_INTERVAL_S
        else:
            percent = 100 * self._loader.bytes_read / max(1, self._loader.total_bytes)
            self.say(f"{percent:.0f} %: {counts}")
            self._due = now + _PLAIN_INTERVAL_S

    def say(self, text: str) -> None:
        """Write one line."""
        self._console.print(f"{self._loader.dataset}: {text}", markup=False, highlight=False, soft_wrap=True)


def conclude(report: LoadReport, code: int, as_json: bool, drained: bool | None = None) -> int:
    """Print the summary of a load; return its exit code, which is a failure when every row was refused.

    Args:
        report: what became of the rows.
        code: how the load itself has ended.
        as_json: whether the summary is one JSON object, rather than a table for people.
        drained: whether the stream has read all of it; None where nobody waited for that.
    """
    summary = report.summary()
    if drained is not None:
        summary["drained"] = drained
    if code == INTERRUPTED:
        summary["interrupted"] = True
    if as_json:
        print(json.dumps(summary))
    elif code != FAILED or summary["sent"] or summary["catalogue"]["sent"]:  # no zeros after an error
        _show_table(summary)
    refused_all = report.refused_all()
    if code == DONE and refused_all:
        print(f"liveshelf: {refused_all}", file=sys.stderr)
        return FAILED
    return code


def _show_table(summary: dict[str, Any]) -> None:
    console = Console()
    table = Table("", "", title=f"{summary['dataset']}: {summary['file']}", title_justify="left", show_header=False)
    for name in ("rows", "sent", "accepted", "rejected", "bad_rows"):
        table.add_row(name.replace("_", " "), f"{summary[name]:,}")
    catalogue = summary["catalogue"]
    table.add_row("catalogue", f"{catalogue['accepted']:,} accepted, {catalogue['rejected']:,} rejected")
    table.add_row("seconds", f"{summary['seconds']:,.1f}")
    table.add_row("events per second", f"{summary['events_per_second']:,.0f}")
    for name in ("drained", "interrupted"):
        if name in summary:
            table.add_row(name, "yes" if summary[name] else "no")
    console.print(table)
    for reason, count in summary["reasons"].items():
        console.print(f"  {count:,} x {reason}", markup=False, highlight=False)
    if summary["rejects_file"]:
        console.print(f"rejected rows: {summary['rejects_file']}", markup=False, highlight=False, soft_wrap=True)

"""Trains on simulated histories of several sizes, by the command, each time in a process of its own."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.stream.children import ChildFailed, Children, clean_environment, python
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display
from benchmarks.training.history import repeat_month, write_month
from benchmarks.training.month import range_for
from recommender.history import ensure_tables
from recommender.installation import Installation

MONTH_EVENTS = 500_000
"""Events of a month, at most."""
_LIMIT_S = 7_200.0
_TOLD = ("events", "examples", "users", "items", "features", "epochs", "metrics", "stages", "peak_rss_mb")


class Options(NamedTuple):
    """What to measure."""

    events: tuple[int, ...]
    """Sizes of the history, ascending."""
    params: Path | None
    data_dir: Path | None
    """A folder to be made and kept; None for a temporary one."""


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures into the result.

    Raises:
        ChildFailed: a training fails.
    """
    month_events = min(MONTH_EVENTS, options.events[0])
    shop = range_for(month_events)
    result |= {"machine": machine(), "month_events": month_events, "items": shop.items, "runs": []}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="liveshelf-bench-")))
        installation = Installation(options.data_dir or folder / "data")
        children = stack.enter_context(Children(folder / "logs"))
        ensure_tables(installation.history_dir)
        months = 0
        for events in options.events:
            section = display.section(f"history {events:,}")
            started = time.monotonic()
            wanted = -(-events // month_events)
            section.say("writes the history", total=(wanted - months) * month_events)
            for number in range(months, wanted):
                before = (number - months) * month_events
                if number == 0:
                    write_month(installation.history_dir, month_events, shop, section.reached)
                else:
                    repeat_month(installation.history_dir, number, lambda _: None)
                section.reached(before + month_events)
            months = wanted
            size = _size_mb(installation.history_dir)
            seconds = round(time.monotonic() - started, 1)
            section.done(f"{size:,.0f} MB in {seconds:.0f} s")
            measured = _train(children, installation, options.params, display, events)
            measured |= {"history_mb": round(size), "history_s": seconds}
            result["runs"].append(measured)
            first = result["runs"][0]
            measured["growth"] = {
                name: round(measured[name] / first[name], 2) for name in ("events", "seconds", "peak_rss_mb")
            }
            shutil.rmtree(installation.models_dir, ignore_errors=True)


def _train(
    children: Children, installation: Installation, params: Path | None, display: Display, events: int
) -> dict[str, Any]:
    section = display.section(f"train {events:,}")
    section.say("trains")
    name = f"train-{events}"
    command = python("-m", "cli.main", "train", "--json", *(["--params", str(params)] if params else []))
    started = time.monotonic()
    process = children.start(name, command, clean_environment(data_dir=str(installation.data_dir)), talk=True)
    children.wait(name, process, _LIMIT_S)
    seconds = time.monotonic() - started
    if process.stdout is None:
        raise ChildFailed(f"{name}: must have a standard output")
    report = json.loads(process.stdout.read())
    measured = {name: report[name] for name in _TOLD} | {"seconds": round(seconds, 1)}
    measured["events_per_second"] = round(report["events"] / seconds)
    section.done(f"{measured['events_per_second']:,} events/s, {measured['peak_rss_mb']:,.0f} MB")
    return measured


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6

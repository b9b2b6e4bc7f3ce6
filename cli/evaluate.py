"""``liveshelf evaluate``: how well models foresee what shoppers did, on a log of events."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.problem import WRONG_USE, Problem
from recommender.evaluation.contestants import CONTESTANTS, VARIANTS
from recommender.evaluation.log import EmptyLog, Log, read_log
from recommender.evaluation.picture import draw
from recommender.evaluation.protocols import Protocol, ProtocolName, target_kinds, usual_holdout_us
from recommender.evaluation.run import Makers, evaluate
from recommender.evaluation.split import (
    NothingToTest,
    Split,
    before_the_end,
    of_two_logs,
    read_duration_us,
)
from recommender.loaders import LoaderError

PROTOCOLS = ("next-item", "future")
_MOST_K = 1_000
_INTERVAL_S = 0.1
_PLAIN_INTERVAL_S = 10.0
_SHOWN_REASONS = 5
_FEW_QUERIES = 100


def run(
    events: Path,
    test: Path | None,
    form: str,
    protocol: str,
    holdout: str | None,
    new_items_only: bool,
    models: str,
    k: str,
    sample: int | None,
    seed: int,
    as_json: bool,
    picture: Path | None,
    output: Path | None,
) -> int:
    """Evaluate; print the figures on standard output, progress and remarks on standard error."""
    makers, ks = _makers(models), _lengths(k)
    if protocol not in PROTOCOLS:
        raise Problem(f"--protocol: must be {' or '.join(PROTOCOLS)}; got {protocol!r}", WRONG_USE)
    if new_items_only and protocol != "future":
        raise Problem("--new-items-only: must go with --protocol future; got next-item", WRONG_USE)
    _check_written({"--picture": picture, "--output": output}, {"--events": events, "--test": test})
    if test and test.resolve() == events.resolve():
        raise Problem(f"--test: must be another log than --events; got {test}", WRONG_USE)
    holdout_us = _holdout_us(holdout, test)
    began = time.perf_counter()
    with _Display() as display:
        logs = [_read(path, form, display) for path in (events, test) if path]
        try:
            name: ProtocolName = "future" if protocol == "future" else "next-item"
            asked = Protocol(name, _split(logs, holdout_us, name), new_items_only)
            if sample:
                asked = asked.sampled(sample, seed)
            report = evaluate(asked, makers, ks, seed, display.show)
        except NothingToTest as error:
            raise Problem(str(error)) from None
    report["rejected"] = _added([log.rejected for log in logs])
    report["passed_over"] = sorted({column for log in logs for column in log.passed_over})
    report["format"] = logs[0].format
    report["asked"] = "purchases" if name == "future" and target_kinds(asked.split) == {"purchase"} else "all items"
    report["seconds"] = round(time.perf_counter() - began, 1)
    _publish(report, ks, as_json, picture, output)
    return 0 if report["models"] else 1


def _check_written(written: dict[str, Path | None], read: dict[str, Path | None]) -> None:
    """Refuse what cannot be written, or would be written over what is read or over another."""
    taken = {path.resolve(): option for option, path in read.items() if path}
    for option, path in written.items():
        if path is None:
            continue
        if not path.parent.is_dir() or path.is_dir():
            raise Problem(f"{option}: must be a file in a folder that is there; got {path}", WRONG_USE)
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise Problem(f"{option}: must be a file that can be written; got {path}", WRONG_USE)
        for other, name in taken.items():
            if path.resolve() == other or (name == "--events" and other in path.resolve().parents):
                raise Problem(f"{option}: must not be in {name}, or the same file; got {path}", WRONG_USE)
        taken[path.resolve()] = option
    picture = written["--picture"]
    if picture and picture.suffix.lower() != ".png":
        raise Problem(f"--picture: must end in .png; got {picture}", WRONG_USE)


def _makers(models: str) -> Makers:
    names = list(dict.fromkeys(name.strip() for name in models.split(",") if name.strip()))
    if names == ["all"]:
        return CONTESTANTS
    makers = CONTESTANTS | VARIANTS
    unknown = [name for name in names if name not in makers]
    if unknown or not names:
        known = f"all, or some of {', '.join(makers)}"
        raise Problem(f"--models: must be {known}; got {', '.join(unknown) or 'none'}", WRONG_USE)
    return {name: makers[name] for name in names}


def _lengths(text: str) -> list[int]:
    try:
        ks = sorted({int(part) for part in text.split(",")})
    except ValueError:
        ks = []
    if not ks or ks[0] < 1 or ks[-1] > _MOST_K:
        raise Problem(f"--k: must be whole numbers from 1 to {_MOST_K:,} such as 10,20; got {text!r}", WRONG_USE)
    return ks


def _holdout_us(holdout: str | None, test: Path | None) -> int | None:
    if holdout and test:
        raise Problem("--holdout: must not go with --test, which is the part held out", WRONG_USE)
    try:
        return read_duration_us(holdout) if holdout else None
    except ValueError as error:
        raise Problem(f"--holdout: {error}", WRONG_USE) from None


def _read(path: Path, form: str, display: _Display) -> Log:
    try:
        return read_log(path, form, display.show)
    except LoaderError as error:
        raise Problem(str(error), WRONG_USE) from None
    except EmptyLog as error:
        raise Problem(str(error)) from None


def _split(logs: list[Log], holdout_us: int | None, protocol: ProtocolName) -> Split:
    if len(logs) == 2:
        return of_two_logs(logs[0].events, logs[1].events)
    events = logs[0].events
    return before_the_end(events, holdout_us or usual_holdout_us(events, protocol))


def _added(counts: list[dict[str, int]]) -> dict[str, int]:
    added: dict[str, int] = {}
    for count in counts:
        for reason, number in count.items():
            added[reason] = added.get(reason, 0) + number
    return added


def _publish(report: dict[str, Any], ks: list[int], as_json: bool, picture: Path | None, output: Path | None) -> None:
    written = orjson.dumps(report, option=orjson.OPT_INDENT_2)
    if as_json:
        print(written.decode())
    elif report["models"]:
        _print_table(report, ks)
    _print_remarks(report)
    if output:
        output.write_bytes(written + b"\n")
    if picture and report["models"]:
        draw(report, _headline(report, ks), picture)


def _headline(report: dict[str, Any], ks: list[int]) -> list[str]:
    if report["protocol"] == "next-item":
        return [f"hit_rate@{ks[-1]}", f"mrr@{ks[-1]}", f"ndcg@{ks[-1]}"]
    return [f"precision@{ks[0]}", f"recall@{ks[-1]}", f"ndcg@{ks[-1]}", f"hit_rate@{ks[0]}"]


def _print_table(report: dict[str, Any], ks: list[int]) -> None:
    metrics = _headline(report, ks)
    title = (
        f"{report['protocol']}: {report['queries']:,} queries of {report['users']:,} shoppers about {report['asked']}"
    )
    table = Table(title=title, title_justify="left")
    table.add_column("model")
    for metric in [*metrics, f"coverage@{ks[-1]}", "fit s", "ms/query"]:
        table.add_column(metric, justify="right")
    models = report["models"]
    for name in sorted(models, key=lambda name: models[name][metrics[0]] or 0.0):
        model = models[name]
        cells = [_cell(model, metric) for metric in metrics]
        rest = (f"{model[f'coverage@{ks[-1]}']:.3f}", f"{model['fit_seconds']:.1f}", f"{model['ms_per_query']:.2f}")
        table.add_row(name, *cells, *rest)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cell(model: dict[str, Any], metric: str) -> str:
    if model[metric] is None:
        return "-"
    return f"{model[metric]:.4f} ({model[f'{metric}_low']:.3f}-{model[f'{metric}_high']:.3f})"


def _print_remarks(report: dict[str, Any]) -> None:
    if report["queries"] < _FEW_QUERIES:
        few = f"{report['queries']} queries tell little, and their intervals are rough"
        print(f"liveshelf: {few}; a longer --holdout asks more", file=sys.stderr)
    for reason in report["left_out"].values():
        print(f"liveshelf: left out: {reason}", file=sys.stderr)
    if report["passed_over"]:
        print(f"liveshelf: columns passed over: {', '.join(report['passed_over'])}", file=sys.stderr)
    for reason, count in list(report["rejected"].items())[:_SHOWN_REASONS]:
        print(f"liveshelf: rejected: {count:,} x {reason}", file=sys.stderr)


class _Display:
    """What is being done, on standard error: a bar in a terminal, a line now and then elsewhere. A context manager."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._due = 0.0
        self._bar: Progress | None = None
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self._console, transient=True)
            self._task = self._bar.add_task("", total=1.0)
        else:
            self._due = time.monotonic() + _PLAIN_INTERVAL_S

    def __enter__(self) -> _Display:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, what: str, part: float) -> None:
        """Show what is being done and which part of it is done, if it is time."""
        now = time.monotonic()
        if now < self._due:
            return
        if self._bar:
            self._bar.update(self._task, description=what, completed=part)
            self._due = now + _INTERVAL_S
        else:
            self._console.print(f"{what}: {part:.0%}", markup=False, highlight=False)
            self._due = now + _PLAIN_INTERVAL_S

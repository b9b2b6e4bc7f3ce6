"""``liveshelf bench``: measures the stream on this computer."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.stream.children import ChildFailed
from benchmarks.stream.progress import Display
from benchmarks.stream.run import SECTIONS, Options, run
from benchmarks.training import run as training_run
from benchmarks.users import run as users_run
from benchmarks.users.source import Population
from benchmarks.workers import run as workers_run
from cli.load_report import DONE, FAILED, INTERRUPTED
from cli.problem import WRONG_USE, Problem
from cli.replay import sigterm_interrupts
from cli.training_parameters import read_parameters
from dataflows.cluster import MOST_WORKERS
from recommender.loaders import LoaderError, MissingFile, UnknownDataset, WrongFormat


def run_stream(
    *,
    dataset: str,
    file: Path,
    rows: int | None,
    only: str | None,
    kafka: str | None,
    rates: str,
    seconds: float,
    rounds: int,
    slice_events: int,
    profile: bool,
    as_json: bool,
) -> int:
    """Measure; print one JSON object or tables on standard output, progress on standard error."""
    options = Options(
        dataset=dataset,
        file=file,
        rows=rows,
        only=_sections(only),
        kafka=kafka,
        rates=_rates(rates),
        seconds=seconds,
        rounds=rounds,
        slice_events=slice_events,
        profile=profile,
    )
    return measure(partial(run, options), _show if not as_json else None)


def run_users(*, users: int, events_per_user: int, rate: int, seconds: float, as_json: bool) -> int:
    """Measure; print one JSON object or a table on standard output, progress on standard error."""
    population = Population(users=users, events_per_user=events_per_user, rate=rate)
    return measure(partial(users_run.run, population, seconds), _show_users if not as_json else None)


def run_workers(
    *, dataset: str, file: Path, rows: int | None, workers: str, partitions: int, kafka: str | None, as_json: bool
) -> int:
    """Measure and compare; print one JSON object or a table, progress on standard error."""
    options = workers_run.Options(
        dataset=dataset, file=file, rows=rows, workers=_workers(workers), partitions=partitions, kafka=kafka
    )
    return measure(partial(workers_run.run, options), _show_workers if not as_json else None)


def run_train(*, events: Sequence[int], params: Path | None, data_dir: Path | None, as_json: bool) -> int:
    """Measure; print one JSON object or a table, progress on standard error."""
    if params is not None:
        params = params.resolve()
        read_parameters(params)
    if data_dir is not None and data_dir.exists():
        raise Problem(f"--data-dir: must be a new folder; got {data_dir}, which is there", WRONG_USE)
    options = training_run.Options(tuple(sorted(set(events))), params, data_dir and data_dir.resolve())
    return measure(partial(training_run.run, options), _show_training if not as_json else None)


def measure(
    work: Callable[[Display, dict[str, Any]], None], show: Callable[[Console, dict[str, Any]], None] | None
) -> int:
    """Measure, and print the result, as JSON where nothing shows it, also when interrupted; return the exit code."""
    result: dict[str, Any] = {}
    code = DONE
    with sigterm_interrupts():
        try:
            with Display() as display:
                work(display, result)
        except (UnknownDataset, MissingFile, WrongFormat) as error:
            raise Problem(str(error), WRONG_USE) from None
        except (LoaderError, ChildFailed) as error:
            print(f"liveshelf: {error}", file=sys.stderr)
            code = FAILED
        except KeyboardInterrupt:
            code = INTERRUPTED
            result["interrupted"] = True
    if show is None:
        print(json.dumps(result))
    elif result:
        show(Console(), result)
    return code


def _sections(only: str | None) -> tuple[str, ...]:
    if only is None:
        return SECTIONS
    wanted = tuple(name.strip() for name in only.split(","))
    for name in wanted:
        if name not in SECTIONS:
            raise Problem(f"--only: must be some of {', '.join(SECTIONS)}; got {name!r}", WRONG_USE)
    return wanted


def _rates(text: str) -> tuple[int, ...]:
    try:
        rates = tuple(int(part) for part in text.split(","))
    except ValueError:
        rates = ()
    if not rates or min(rates) < 1:
        raise Problem(f"--rates: must be positive whole numbers with commas between; got {text!r}", WRONG_USE)
    return rates


def _workers(text: str) -> tuple[int, ...]:
    try:
        workers = tuple(int(part) for part in text.split(","))
    except ValueError:
        workers = ()
    if not workers or min(workers) < 1 or max(workers) > MOST_WORKERS:
        raise Problem(
            f"--workers: must be numbers from 1 to {MOST_WORKERS} with commas between; got {text!r}", WRONG_USE
        )
    return workers


_SHOWN_US, _SHOWN_FUNCTIONS = 0.05, 20
_RATES = {
    "passthrough": "passthrough: the source through an empty flow",
    "compute": "compute: decode, validate, dedupe, all features",
    "end_to_end": "end to end: Redis Streams to Feast on Redis",
    "end_to_end_kafka": "end to end: Kafka to Feast on Redis",
    "bytewax_fold_window": "the windows alone, by Bytewax's fold_window",
}


def _show(console: Console, result: dict[str, Any]) -> None:
    if "ratios" not in result:
        return
    machine = result["machine"]
    console.print(f"{result['file']}: {result['events']:,} events; {machine['cpus']} CPUs, Python {machine['python']}")
    table = Table("", "events/s", "CPU us/event", "peak MB")
    for column in table.columns[1:]:
        column.justify = "right"
    for key, label in _RATES.items():
        if key in result:
            found = result[key]
            cpu = 1e6 * found["cpu_s"] / found["events"]
            rate = result[f"{key}_events_per_second"]
            table.add_row(label, f"{rate:,.0f}", f"{cpu:,.2f}", f"{found['peak_rss_mb']:,.0f}")
    console.print(table)
    for name, ratio in result["ratios"].items():
        console.print(f"  {name.replace('_', ' ')}: {ratio:g}")
    if "freshness_ms" in result:
        fresh = Table("freshness at", "p50 ms", "p99 ms", "max ms", "accepted/s")
        for rate, found in result["freshness_ms"].items():
            figures = [f"{found[name]:,.1f}" for name in ("p50", "p99", "max", "events_acknowledged_per_second")]
            fresh.add_row(f"{rate} events/s", *figures)
        console.print(fresh)
    for key, profile in result.get("profile", {}).items():
        _show_profile(console, key, profile)


def _show_profile(console: Console, key: str, profile: dict[str, Any]) -> None:
    console.print(
        f"{key.replace('_', ' ')}: per event {profile['cpu_us_per_event']:g} us CPU, "
        f"{profile['wall_us_per_event']:g} us in all; {profile['events_per_second']:,.0f} events/s with the timers"
    )
    table = Table("part", "CPU us/event", "waiting us/event", "share of CPU")
    for part in profile["parts"]:
        if part["cpu_us_per_event"] >= _SHOWN_US or part["waiting_us_per_event"] >= _SHOWN_US:
            table.add_row(
                part["part"],
                f"{part['cpu_us_per_event']:.2f}",
                f"{part['waiting_us_per_event']:.2f}",
                f"{part['cpu_share']:.1%}",
            )
    console.print(table)
    functions = Table("function", "share of CPU", "with what it calls")
    functions.columns[0].overflow = "fold"
    for function in profile["functions"][:_SHOWN_FUNCTIONS]:
        functions.add_row(function["function"], f"{function['own_share']:.1%}", f"{function['share']:.1%}")
    console.print(functions)


def _show_users(console: Console, result: dict[str, Any]) -> None:
    table = Table("", "", title=f"{result['users']:,} shoppers, {result['events']:,} events", show_header=False)
    for name, value in result.items():
        if name in ("users", "events", "machine"):
            continue
        if isinstance(value, dict):
            for key, part in value.items():
                table.add_row(f"{name}: {key}".replace("_", " "), _words(part))
        else:
            table.add_row(name.replace("_", " "), _words(value))
    console.print(table)


def _show_workers(console: Console, result: dict[str, Any]) -> None:
    if not result.get("workers"):
        return
    console.print(f"{result['events']:,} events on {result['event_log']}, {result['partitions']} partitions")
    table = Table("workers", "events/s", "CPU us/event", "Redis CPU us/event", "MB in all", "results")
    first = next(iter(result["workers"]))
    for workers, found in result["workers"].items():
        cpu, redis_cpu = (1e6 * found[name] / result["events"] for name in ("cpu_s", "redis_cpu_s"))
        differing = found.get(f"differences_from_{first}")
        verdict = _verdict(differing, first) if differing else ""
        figures = [f"{found['events_per_second']:,.0f}", f"{cpu:,.1f}", f"{redis_cpu:,.1f}"]
        table.add_row(workers, *figures, f"{found['peak_rss_mb']:,.0f}", verdict)
        for line in differing["shown"] if differing else ():
            console.print(f"  {workers} workers: {line}", markup=False, overflow="fold")
    console.print(table)


def _verdict(differing: dict[str, Any], first: str) -> str:
    if differing["identical"]:
        return f"identical to {first}'s"
    if differing["equal"]:
        return (
            f"{first}'s; in {differing['rounding_only']:,} of {differing['rows']:,} rows scores differ in last digits"
        )
    return f"differ from {first}'s"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(part)}" for key, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def _show_training(console: Console, result: dict[str, Any]) -> None:
    table = Table(title="liveshelf train on a simulated history")
    for name in ("events", "examples", "seconds", "events/s", "memory [MB]", "times the events", "times the time"):
        table.add_column(name, justify="right")
    for measured in result["runs"]:
        growth = measured["growth"]
        table.add_row(
            f"{measured['events']:,}",
            f"{measured['examples']:,}",
            f"{measured['seconds']:,.1f}",
            f"{measured['events_per_second']:,}",
            f"{measured['peak_rss_mb']:,.0f}",
            f"{growth['events']:g}",
            f"{growth['seconds']:g}",
        )
    console.print(table)
    stages = list(dict.fromkeys(stage for measured in result["runs"] for stage in measured["stages"]))
    if stages:
        by_stage = Table(title="seconds by stage")
        by_stage.add_column("stage")
        for measured in result["runs"]:
            by_stage.add_column(f"{measured['events']:,}", justify="right")
        for stage in stages:
            by_stage.add_row(stage, *(f"{measured['stages'].get(stage, 0.0):,.1f}" for measured in result["runs"]))
        console.print(by_stage)

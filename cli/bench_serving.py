"""``liveshelf bench serve``, ``freshness``, ``storm`` and ``chaos``: what shoppers get, and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.chaos import run as chaos_run
from benchmarks.serve import run as serve_run
from benchmarks.serve.sources import HOME, ITEM, LISTING, PAGES
from benchmarks.slate_freshness import run as freshness_run
from benchmarks.storm import run as storm_run
from benchmarks.stream.progress import Display
from cli.bench import measure
from cli.load_report import DONE, FAILED
from cli.problem import WRONG_USE, Problem


def run_serve(
    *,
    items: str,
    users: int,
    seconds: float,
    mixed_rate: int,
    think: float,
    exponent: float,
    pages: str | None,
    as_json: bool,
) -> int:
    """Measure; print one JSON object or tables, progress on standard error."""
    options = serve_run.Options(
        items=_numbers("--items", items, 1_000),
        users=users,
        seconds=seconds,
        mixed_rate=mixed_rate,
        think_s=think,
        exponent=exponent,
        pages=PAGES if pages is None else _chosen("--pages", pages, (HOME, LISTING, ITEM), repeated=True),
    )
    return measure(partial(serve_run.run, options), _show_serve if not as_json else None)


def run_freshness(*, seconds: float, items: int, users: int, slates: int, events: int, as_json: bool) -> int:
    """Measure; print one JSON object or a table, progress on standard error."""
    options = freshness_run.Options(seconds=seconds, items=items, users=users, slates=slates, events=events)
    return measure(partial(freshness_run.run, options), _show_freshness if not as_json else None)


def run_storm(
    *, seconds: float, items: int, flipping: int, changes: int, slates: int, workers: int, as_json: bool
) -> int:
    """Measure; print one JSON object or a table, progress on standard error."""
    if flipping > items:
        raise Problem(f"--flipping: must be at most --items, {items}; got {flipping}", WRONG_USE)
    options = storm_run.Options(
        seconds=seconds, items=items, flipping=flipping, changes=changes, slates=slates, workers=workers
    )
    return _drill(partial(storm_run.run, options), _show_storm if not as_json else None)


def run_chaos(*, seconds: float, rate: int, items: int, users: int, only: str | None, as_json: bool) -> int:
    """Measure; print one JSON object or a table, progress on standard error."""
    drills = chaos_run.DRILLS if only is None else _chosen("--only", only, chaos_run.DRILLS)
    options = chaos_run.Options(seconds=seconds, rate=rate, items=items, users=users, only=drills)
    return _drill(partial(chaos_run.run, options), _show_chaos if not as_json else None)


def _drill(
    work: Callable[[Display, dict[str, Any]], None], show: Callable[[Console, dict[str, Any]], None] | None
) -> int:
    """Measure; the exit code tells also whether the drill was passed."""
    passed = False

    def judged(display: Display, result: dict[str, Any]) -> None:
        nonlocal passed
        work(display, result)
        passed = result["passed"]

    code = measure(judged, show)
    return code if code != DONE or passed else FAILED


def _numbers(option: str, text: str, least: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < least:
        raise Problem(f"{option}: must be whole numbers from {least} on with commas between; got {text!r}", WRONG_USE)
    return numbers


def _chosen(option: str, text: str, among: tuple[str, ...], *, repeated: bool = False) -> tuple[str, ...]:
    chosen = tuple(part.strip() for part in text.split(","))
    for name in chosen:
        if name not in among or (not repeated and chosen.count(name) > 1):
            raise Problem(f"{option}: must be some of {', '.join(among)}; got {name!r}", WRONG_USE)
    return chosen


def _table(*columns: str, title: str = "") -> Table:
    table = Table(*columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def _show_serve(console: Console, result: dict[str, Any]) -> None:
    for items, figures in result["sizes"].items():
        if "targets" not in figures:
            continue
        table = _table(
            *("", "requests/s", "p50 ms", "p90", "p99", "p99.9", "failed", "hits", "degraded", "CPU ms", "MB"),
            title=f"{int(items):,} items, one API process on one processor",
        )
        loads = [("trivial, highest", figures["trivial"]["highest"][0])]
        for kind in ("live", "cached", "mixed"):
            loads += [(f"{kind}, highest", figures[kind]["highest"])]
            loads += [(f"{kind}, {figures[kind]['steady']['rate']:,.0f}/s", figures[kind]["steady"])]
        for name, load in loads:
            shown = [_figure(load.get(f"p{part}_ms")) for part in ("50", "90", "99", "99.9")]
            ratios = [_figure(load.get(part)) for part in ("hit_ratio", "degraded_ratio")]
            costs = [_figure(load["api_cpu_ms_per_request"]), f"{load['api_rss_mb']:,.0f}"]
            table.add_row(name, f"{load['requests_per_second']:,.0f}", *shown, str(load["failed"]), *ratios, *costs)
        console.print(table)
        console.print(
            f"  per trivial: {', '.join(f'{name} {ratio:g}' for name, ratio in figures['per_trivial'].items())}"
        )
        _show_targets(console, figures["targets"])


def _show_freshness(console: Console, result: dict[str, Any]) -> None:
    if "targets" not in result:
        return
    table = _table("from the acknowledged click to", "p50 ms", "p90", "p99", "p99.9", "largest", title="freshness")
    for name, words in (("changed", "a changed slate"), ("features", "a slate made of it")):
        found = result[name]
        table.add_row(words, *(_figure(found.get(f"{part}_ms")) for part in ("p50", "p90", "p99", "p99.9", "max")))
    console.print(table)
    console.print(f"  {result['clicks']} clicks, {result['unchanged']} of them without a change")
    _show_targets(console, result["targets"])


def _show_storm(console: Console, result: dict[str, Any]) -> None:
    if "passed" not in result:
        return
    seen = result["seen_after_ms"]
    console.print(
        f"{result['changes_per_second']:,.0f} stock changes/s, {result['slates_per_second']:,.0f} slates/s by "
        f"{result['workers']} processes, hit ratio {_figure(result['hit_ratio'])}\n"
        f"  slates with an item sold out for more than a second: {result['slates_too_late']}\n"
        f"  still seen after the acknowledgement: {result['sold_out_still_seen']:,} of {result['sold_out']:,}, "
        f"p50 {_figure(seen.get('p50_ms'))}, p99 {_figure(seen.get('p99_ms'))}, "
        f"longest {result['longest_seen_ms']:g} ms\n  {'passed' if result['passed'] else 'failed'}"
    )


def _show_chaos(console: Console, result: dict[str, Any]) -> None:
    table = _table("drill", "requests", "answered", "without retry", "degraded", "recovery s", "lost events", "")
    for name, found in result.get("drills", {}).items():
        table.add_row(
            name,
            f"{found['requests']:,}",
            f"{found['answered_ratio']:.3%}",
            f"{found['answered_ratio_without_retry']:.3%}",
            f"{found['degraded_ratio']:.2%}",
            f"{found['recovery_s']:g}",
            f"{found['events_lost']} of {found['events_acknowledged']}",
            "met" if found["met"] else "missed",
        )
    console.print(table)


def _show_targets(console: Console, targets: list[dict[str, Any]]) -> None:
    for target in targets:
        met = "met" if target["met"] else "missed"
        console.print(f"  {target['target']}: wanted {target['wanted']}, got {_figure(target['got'])}: {met}")


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"

"""Loads one API process with several kinds of traffic, and judges the figures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.serve.process import CACHED, LIVE, MIXED, TRIVIAL, Plan
from benchmarks.serve.sources import CLICK, ITEM, PAGES
from benchmarks.serve.stack import Stack, on, processors
from benchmarks.stream.children import Children
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display, Section

_LARGE = 1_000_000
_LIVE_RATE, _LIVE_RATE_LARGE = 200, 100
_CACHED_RATE = 1_000
_CONNECTIONS = 64
_WARM_S = 3.0


class Options(msgspec.Struct, frozen=True):
    """What is measured."""

    items: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    users: int = 10_000
    seconds: float = 20.0
    """How long each rate is held."""
    mixed_rate: int = 1_000
    think_s: float = 2.0
    """Between two requests of one shopper, in mixed traffic."""
    exponent: float = 1.0
    pages: tuple[str, ...] = PAGES
    cached_users: int = 1_000
    n: int = 20


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure each number of items, and put the figures into the result as soon as they are known.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    api, others = processors()
    result.update(
        msgspec.to_builtins(options)
        | {
            "machine": machine(),
            "processors": {"api": api, "redis, dataflow and load": others},
            "traffic": _words(options),
            "sizes": {},
        }
    )
    with on(others):
        for items in options.items:
            with (
                tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name,
                Children(Path(name) / "logs") as started,
            ):
                section = display.section(f"{items:,} items")
                stack = Stack(Path(name), started, section, items, options.users)
                figures: dict[str, Any] = {}
                result["sizes"][str(items)] = figures
                _measure(stack, options, section, figures)
                section.done(_summary(figures))
    result["targets_met"] = all(
        target["met"]
        for figures in result["sizes"].values()
        for target in figures["targets"]
        if target["met"] is not None
    )


def _measure(stack: Stack, options: Options, section: Section, figures: dict[str, Any]) -> None:
    figures.update({"fill_s": round(stack.filled_s, 1), "ready_s": round(stack.ready_s, 1)})
    some = min(options.cached_users, options.users)
    mixed = Plan(
        stack.url,
        MIXED,
        options.seconds,
        connections=4 * _CONNECTIONS,
        users=options.users,
        n=options.n,
        exponent=options.exponent,
        pages=options.pages,
        at_once=max(10, round(options.mixed_rate * options.think_s)),
        items=stack.items,
    )
    trivial = Plan(stack.url, TRIVIAL, options.seconds / 2, connections=_CONNECTIONS)
    live = Plan(stack.url, LIVE, options.seconds, connections=_CONNECTIONS, users=options.users, n=options.n)
    cached = Plan(stack.url, CACHED, options.seconds, connections=_CONNECTIONS, users=some, n=options.n)
    live_rate = _LIVE_RATE_LARGE if stack.items >= _LARGE else _LIVE_RATE
    warm_s = min(_WARM_S, options.seconds)

    def load(name: str, plan: Plan, seconds: float | None = None, rate: float | None = None) -> dict[str, Any]:
        held = options.seconds if seconds is None else seconds
        section.say(f"{name}, {f'{rate:,.0f}/s' if rate else 'as fast as it answers'}, {held:g} s")
        return stack.load(msgspec.structs.replace(plan, seconds=held, rate=rate))

    load("warms up", live, warm_s)
    load("warms up", trivial, warm_s)
    yardstick = [load("trivial", trivial, options.seconds / 2)]
    figures["live"] = {
        "highest": load("live", live, options.seconds / 2),
        "steady": load("live", live, None, live_rate),
    }
    load("fills the cache", cached, warm_s)
    figures["cached"] = {"highest": load("cached", cached, options.seconds / 2)}
    load("fills the cache", cached, warm_s)
    figures["cached"]["steady"] = load("cached", cached, None, _CACHED_RATE)
    yardstick.append(load("trivial", trivial, options.seconds / 2))
    load("mixed: warms up", mixed, options.seconds, options.mixed_rate)
    figures["mixed"] = {"steady": load("mixed", mixed, 2 * options.seconds, options.mixed_rate)}
    figures["mixed"]["highest"] = load("mixed", mixed, options.seconds / 2)
    figures["trivial"] = {"highest": yardstick}
    rates = {name: figures[name]["highest"]["requests_per_second"] for name in (LIVE, CACHED, MIXED)}
    trivial_rate = sum(each["requests_per_second"] for each in yardstick) / len(yardstick)
    figures["requests_per_second"] = {TRIVIAL: round(trivial_rate, 1), **rates}
    figures["per_trivial"] = {name: round(rate / trivial_rate, 3) for name, rate in rates.items()}
    figures["targets"] = _targets(stack.items, options, figures)


def _targets(items: int, options: Options, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was wanted at 100,000 and at 1,000,000 items, and whether it is so here."""
    rates, live, mixed = figures["requests_per_second"], figures["live"]["steady"], figures["mixed"]["steady"]
    if items >= _LARGE:
        return [_target(f"live p99 at {_LIVE_RATE_LARGE}/s [ms]", "<", 30.0, live.get("p99_ms"))]
    found = [
        _target("live, highest [requests/s]", ">=", 400.0, rates[LIVE]),
        _target(f"live p99 at {_LIVE_RATE}/s [ms]", "<", 15.0, live.get("p99_ms")),
        _target("cached per trivial", ">=", 0.6, figures["per_trivial"][CACHED]),
        _target("mixed p90 [ms]", "<", 7.0, mixed.get("p90_ms")),
        _target("mixed, hit ratio", ">=", 0.85, mixed.get("hit_ratio")),
    ]
    if options.mixed_rate >= 1_000:
        found.append(_target("mixed, answered [requests/s]", ">=", 990.0, mixed["requests_per_second"]))
    return found


def _target(name: str, how: str, wanted: float, got: float | None) -> dict[str, Any]:
    met = got is not None and (got < wanted if how == "<" else got >= wanted)
    return {"target": name, "wanted": f"{how} {wanted:g}", "got": got, "met": met}


def _words(options: Options) -> dict[str, str]:
    visits, clicks = len(options.pages), options.pages.count(ITEM)
    return {
        "highest": f"closed loop: {_CONNECTIONS} connections, each asks again as soon as it is answered "
        f"(mixed: {4 * _CONNECTIONS})",
        "steady": "open loop: requests leave at their time, latency counts from then",
        TRIVIAL: "GET /health/live",
        LIVE: f"home slates of {options.users:,} known shoppers in turn, cache-control: no-cache",
        CACHED: f"home slates of {min(options.cached_users, options.users):,} shoppers over and over",
        MIXED: f"visits of {visits} pages ({', '.join(options.pages)}) with {clicks} own clicks posted between, by "
        f"{options.users:,} known shoppers drawn by Zipf's law with exponent {options.exponent:g}; a home page asks "
        f"the shopper's home slate, a listing what is in demand in a category, an item page what is similar to it; "
        f"{CLICK}s count as requests, {options.think_s:g} s between requests of one shopper",
    }


def _summary(figures: dict[str, Any]) -> str:
    rates = figures["requests_per_second"]
    return ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())

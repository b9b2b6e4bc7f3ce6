"""Loads one API process with several kinds of traffic, and judges the figures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
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
_LIVE_CONNECTIONS = 8
"""What more live slates wait for each other than this passes their deadline, and is answered otherwise."""
_MIXED_CONNECTIONS = 256
_SHARES = (1.1, 1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4)
"""Of the rate of a closed loop, at which an open loop is tried."""
_HELD, _DEGRADED, _HELD_P99_MS = 0.98, 0.01, 100.0
_SEARCHES = 2
"""Searches for the highest rate that is held; both are told, the better one counts."""
_MIXED_WARM = 3
"""How many times as long mixed traffic comes before it is measured: a shop's cache is never empty."""
_WARM_S = 3.0
_FILL_RATE = 100.0


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
    some = _cached_users(options)
    mixed = Plan(
        stack.url,
        MIXED,
        options.seconds,
        connections=_MIXED_CONNECTIONS,
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

    def highest(name: str, plan: Callable[[int], Plan], connections: int) -> dict[str, Any]:
        """Return the load at the highest rate that some search has found to be held: machines have slow moments."""
        searches = [search(name, plan(number), connections) for number in range(_SEARCHES)]
        return max(searches, key=_rate) | {"searched": [_rate(found) for found in searches]}

    def search(name: str, plan: Plan, connections: int) -> dict[str, Any]:
        """Return the load at the highest rate that is held, beginning at what a closed loop reaches."""
        closed = load(name, msgspec.structs.replace(plan, connections=connections), options.seconds / 4)
        top = closed["requests_per_second"] * (1 - closed.get("degraded_ratio", 0.0))
        tried = []
        for share in _SHARES:
            found = load(name, plan, options.seconds / 4, max(1.0, round(share * top)))
            tried.append({"rate": found["rate"], "held": _is_held(found), "p99_ms": found.get("p99_ms")})
            if tried[-1]["held"]:
                break
        return {**found, "held": tried[-1]["held"], "tried": tried, "closed_loop": closed}

    def filled(part: int) -> Plan:
        """Have the cache filled with slates of shoppers of whom it has none, since they last a minute each."""
        plan = msgspec.structs.replace(cached, first_user=part * some)
        load("fills the cache", msgspec.structs.replace(plan, connections=4), max(warm_s, some / _FILL_RATE))
        return plan

    yardstick = [highest("trivial", lambda _: trivial, _CONNECTIONS)]
    figures["live"] = {
        "highest": highest("live", lambda _: live, _LIVE_CONNECTIONS),
        "steady": load("live", live, None, live_rate),
    }
    figures["cached"] = {
        "highest": highest("cached", filled, _CONNECTIONS),
        "steady": load("cached", filled(_SEARCHES), None, _CACHED_RATE),
    }
    yardstick.append(highest("trivial", lambda _: trivial, _CONNECTIONS))
    load("mixed: warms up", mixed, _MIXED_WARM * options.seconds, options.mixed_rate)
    figures["mixed"] = {"steady": load("mixed", mixed, 2 * options.seconds, options.mixed_rate)}
    figures["mixed"]["highest"] = highest("mixed", lambda _: mixed, _CONNECTIONS // 2)
    figures["trivial"] = {"highest": yardstick}
    rates = {name: _rate(figures[name]["highest"]) for name in (LIVE, CACHED, MIXED)}
    trivial_rate = sum(map(_rate, yardstick)) / len(yardstick)
    figures["requests_per_second"] = {TRIVIAL: round(trivial_rate, 1), **rates}
    figures["per_trivial"] = {name: round(rate / max(1.0, trivial_rate), 3) for name, rate in rates.items()}
    figures["targets"] = _targets(stack.items, options, figures)


def _cached_users(options: Options) -> int:
    return max(1, min(options.cached_users, options.users // (_SEARCHES + 1)))


def _is_held(load: dict[str, Any]) -> bool:
    """Tell whether all was answered in time, and as it should be."""
    return (
        load["failed"] == 0
        and load["sent"] >= _HELD * load["rate"] * load["seconds"]
        and load.get("degraded_ratio", 0.0) <= _DEGRADED
        and load.get("p99_ms", 0.0) <= _HELD_P99_MS
    )


def _rate(highest: dict[str, Any]) -> float:
    return float(highest["requests_per_second"]) if highest["held"] else 0.0


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
        "highest": f"a closed loop ({_CONNECTIONS} connections; live {_LIVE_CONNECTIONS}, mixed {_CONNECTIONS // 2}) "
        f"finds what is reached; open loops at {', '.join(f'{share:g}' for share in _SHARES)} of that follow until one "
        f"is held: nothing failed, at most {_DEGRADED:.0%} degraded, p99 at most {_HELD_P99_MS:g} ms, "
        f"{_HELD:.0%} of the requests left in time; searched for {_SEARCHES} times, and the higher rate counts",
        "steady": "open loop: requests leave at their time, latency counts from then",
        TRIVIAL: "GET /health/live",
        LIVE: f"home slates of {options.users:,} known shoppers in turn, cache-control: no-cache",
        CACHED: f"home slates of {_cached_users(options):,} shoppers over and over, others in each search",
        MIXED: f"visits of {visits} pages ({', '.join(options.pages)}) with {clicks} own clicks posted between, by "
        f"{options.users:,} known shoppers drawn by Zipf's law with exponent {options.exponent:g}; a home page asks "
        f"the shopper's home slate, a listing what is in demand in a category, an item page what is similar to it; "
        f"{CLICK}s count as requests and fall on the first ten places of a slate with weights of 1 / (place + 1); "
        f"{options.think_s:g} s between requests of one shopper",
    }


def _summary(figures: dict[str, Any]) -> str:
    rates = figures["requests_per_second"]
    return ", ".join(f"{name} {rate:,.0f}/s" for name, rate in rates.items())

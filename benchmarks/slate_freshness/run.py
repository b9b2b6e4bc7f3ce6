"""Measures from the acknowledged click to the changed slate, under load."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.serve.stack import ask
from benchmarks.serve.up import Up
from benchmarks.slate_freshness.probe import Probe
from benchmarks.slate_freshness.process import Plan
from benchmarks.stream.children import Children, python
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display

_LEAD_S = 1.0
_P50_MS, _P99_MS = 300.0, 1_000.0


class Options(msgspec.Struct, frozen=True):
    """What is measured."""

    seconds: float = 60.0
    items: int = 10_000
    users: int = 1_000
    """Shoppers who click and are watched, and as many others."""
    slates: int = 200
    """Slates per second of the others."""
    events: int = 500
    """Events per second of the others."""
    n: int = 20


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures into the result.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    result.update(msgspec.to_builtins(options) | {"machine": machine()})
    result["measured"] = (
        "from the acknowledgement of a click until the shopper's own home slate, asked again 10 ms after each answer "
        "and taken from the cache where it is there, has other items or another order (changed), or was made of "
        "features with the click in them (features)"
    )
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        section = display.section("freshness")
        up = Up(Path(name), children, section, 1)
        up.fill(options.items, 2 * options.users, section)
        load = children.start("load", python("-m", "benchmarks.slate_freshness.process"), os.environ, talk=True)
        plan = Plan(up.url, 0, options.slates, options.events, options.users, options.users, options.items, options.n)
        section.say("warms up")
        ask(load, msgspec.structs.replace(plan, seconds=min(5.0, options.seconds)))
        section.say(f"clicks under {options.slates} slates/s and {options.events} events/s for {options.seconds:g} s")
        told: dict[str, Any] = {}
        others = threading.Thread(
            target=lambda: told.update(ask(load, msgspec.structs.replace(plan, seconds=options.seconds + 2 * _LEAD_S)))
        )
        others.start()
        time.sleep(_LEAD_S)
        probe = Probe(up.url, options.users, options.items, options.n)
        probe.run(options.seconds)
        others.join()
        section.say("stops")
        up.stop()
    result.update(probe.figures())
    result["others"] = told
    changed = result["changed"]
    result["targets"] = [
        {"target": "p50 [ms]", "wanted": f"< {_P50_MS:g}", "got": changed.get("p50_ms")},
        {"target": "p99 [ms]", "wanted": f"< {_P99_MS:g}", "got": changed.get("p99_ms")},
    ]
    for target, most in zip(result["targets"], (_P50_MS, _P99_MS), strict=True):
        target["met"] = target["got"] is not None and target["got"] < most
    section.done(f"{result['clicks']} clicks, p50 {changed.get('p50_ms')} ms, p99 {changed.get('p99_ms')} ms")

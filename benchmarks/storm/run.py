"""Lets items sell out and come back by the thousand, and looks at what slates show meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.serve.stack import ask
from benchmarks.serve.up import Up
from benchmarks.storm.process import Plan
from benchmarks.stream.children import Children, python
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display


class Options(msgspec.Struct, frozen=True):
    """The storm."""

    seconds: float = 60.0
    items: int = 4_000
    flipping: int = 4_000
    """Items that sell out and come back, one after the other. Where others are left, slates soon have these alone."""
    changes: int = 1_000
    """Stock changes per second."""
    slates: int = 200
    """Slates per second."""
    shoppers: int = 10
    """Who asks for them: few, so that most slates come from the cache though their items change."""
    workers: int = 4
    """Processes of the API."""


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures into the result.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    result.update(msgspec.to_builtins(options) | {"machine": machine()})
    result["traffic"] = (
        f"{options.flipping:,} of {options.items:,} items sell out one after the other and come back half a round "
        f"later, {options.changes:,} changes a second in requests of 20; an item counts as sold out from the "
        "acknowledgement on until a request leaves that brings it back, and is seen when a slate with it has arrived"
    )
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        section = display.section("storm")
        up = Up(Path(name), children, section, options.workers)
        up.fill(options.items, max(options.shoppers, 100), section)
        load = children.start("load", python("-m", "benchmarks.storm.process"), os.environ, talk=True)
        plan = Plan(up.url, 0, options.slates, options.changes, options.flipping, options.shoppers)
        section.say("warms up")
        ask(load, msgspec.structs.replace(plan, seconds=min(5.0, options.seconds)))
        section.say(f"{options.changes:,} changes/s and {options.slates:,} slates/s for {options.seconds:g} s")
        found = ask(load, msgspec.structs.replace(plan, seconds=options.seconds))
        section.say("stops")
        up.stop()
        storm, told = found["storm"], found["load"]
        result.update(storm)
        slates = told["kinds"].get("slate", {})
        result["load"] = told
        result["hit_ratio"] = slates.get("hit_ratio")
        result["changes_per_second"] = round(storm["stock_changes"] / options.seconds, 1)
        result["slates_per_second"] = round(storm["slates_seen"] / options.seconds, 1)
        result["passed"] = storm["slates_too_late"] == 0 and storm["slates_seen"] > 0 and told["failed"] == 0
        section.done(
            f"{storm['slates_seen']:,} slates, {storm['slates_too_late']} with an item sold out for over a second; "
            f"longest {storm['longest_seen_ms']:,.0f} ms"
        )

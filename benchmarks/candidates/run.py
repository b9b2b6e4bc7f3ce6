"""Finds the model's best items among more and more, exactly and by cells."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.candidates.measure import MOST
from benchmarks.rollback.shop import DIMENSIONS
from benchmarks.stream.children import Children, clean_environment, python
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display

_LIMIT_S = 7_200.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Options(msgspec.Struct, frozen=True):
    """What is measured."""

    items: tuple[int, ...] = (20_000, 100_000, 200_000, 500_000, 1_000_000)
    queries: int = 300


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures of each number of items into the result as soon as they are known.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    result.update({"dimensions": DIMENSIONS, "most": MOST, "queries": options.queries})
    result.update({"machine": machine(), "sizes": {}})
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        for items in options.items:
            section = display.section(f"{items:,} items")
            section.say("measures")
            sizes = map(str, (items, options.queries))
            command = python("-m", "benchmarks.candidates.measure", *sizes)
            process = children.start("measure", command, clean_environment() | _ONE_THREAD, talk=True)
            children.wait("measure", process, _LIMIT_S)
            if process.stdout is None:
                raise children.failed("measure", "has no output")
            found = json.loads(process.stdout.read())
            result["sizes"][str(items)] = found
            section.done(f"exact {found['exact']['p50_ms']} ms")

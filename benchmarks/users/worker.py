"""The feature flow on `PopulationSource`, for ``python -m bytewax.run benchmarks.users.worker``.

State and recovery are the real ones; what the flow makes is dropped. Moments go to ``LIVESHELF_BENCH_REPORT``.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import psutil
from prometheus_client import REGISTRY

from benchmarks.stream.flows import DropPartitionedSink
from benchmarks.stream.timing import peak_rss_mb
from benchmarks.users.source import Moments, Population, PopulationSource
from dataflows import features
from recommender.settings import Settings

_report = Path(os.environ["LIVESHELF_BENCH_REPORT"])
_population = msgspec.json.decode(os.environ["LIVESHELF_BENCH_POPULATION"], type=Population)
_moments = Moments()
_process = psutil.Process()
_position = os.open(_report.with_suffix(".position"), os.O_WRONLY | os.O_CREAT, 0o600)


class _Drop:
    """Takes rows and drops them; the first is how one sees that the flow works again."""

    def add(self, effects: Any) -> None:
        if not _moments.first_effect:
            _moments.first_effect = time.monotonic()
            _write()

    def complete(self) -> None:
        pass


def _note(what: str) -> None:
    if what == "opened":
        _moments.rss_mb_opened = _process.memory_info().rss / 1e6
    elif what == "steady":
        _moments.rss_mb_steady = _process.memory_info().rss / 1e6
    elif _moments.steady_pauses_ms and not _moments.state_keys:  # the first snapshot with all of the first events
        _moments.state_bytes = _gauge("liveshelf_stream_state_bytes")
        _moments.state_keys = _gauge("liveshelf_stream_state_keys")
    _moments.peak_rss_mb = peak_rss_mb()
    _write()


def _write() -> None:
    beside = _report.with_suffix(".new")
    beside.write_bytes(msgspec.json.encode(_moments))
    beside.replace(_report)


def _tell(position: int) -> None:
    os.pwrite(_position, position.to_bytes(8, "big"), 0)


def _gauge(name: str) -> dict[str, float]:
    """Return a gauge of the flow by step; nothing where there is no such gauge."""
    return {
        sample.labels.get("step", ""): sample.value
        for metric in REGISTRY.collect()
        if metric.name == name
        for sample in metric.samples
    }


flow = features.build(
    Settings(), PopulationSource(_population, _moments, _note, _tell), lambda: _Drop(), DropPartitionedSink()
)

"""Metrics of several API processes as one, so that it does not matter which of them Prometheus gets to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

_PROCESS = ".process"
_OWN = "liveshelf_"


def share(folder: Path, process: str) -> None:
    """Keep metrics made from now on in files of this folder, where the other processes find them.

    A process that is started again goes on with the counters of the one before it of the same name, so that there are
    no more files than names; its gauges begin anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.glob(f"gauge_*_{process}.db"):
        path.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(lambda: process)  # type: ignore[no-untyped-call]
    own = psutil.Process()
    (folder / f"{process}{_PROCESS}").write_text(f"{own.pid} {own.create_time()}")


def keep_apart() -> None:
    """Keep metrics made from now on in memory alone, also where the environment names a folder, as Feast has it do."""
    values.ValueClass = values.MutexValue


def exposition_of_all(folder: Path) -> bytes:
    """Return the metrics of all processes in Prometheus' text format; blocking."""
    registry = CollectorRegistry()
    registry.register(_All(folder))
    return generate_latest(registry)


class _All(Collector):
    """Counters also of processes that have died, gauges of the living."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        alive = dict(_alive(self._folder))
        files = [
            str(path)
            for path in sorted(self._folder.glob("*.db"))
            if not path.name.startswith("gauge_") or path.stem.rpartition("_")[2] in alive
        ]
        found = MultiProcessCollector.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        yield from (metric for metric in found if metric.name.startswith(_OWN))  # Feast has some that tell nothing
        memory = GaugeMetricFamily(
            "process_resident_memory_bytes", "Resident memory size in bytes.", labels=["process"]
        )
        cpu = CounterMetricFamily(
            "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", labels=["process"]
        )
        for name, process in alive.items():
            try:
                used, held = process.cpu_times(), process.memory_info().rss
            except psutil.Error:
                continue
            memory.add_metric([name], held)
            cpu.add_metric([name], used.user + used.system)
        yield from (memory, cpu)


def _alive(folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    for path in sorted(folder.glob(f"*{_PROCESS}")):
        try:
            pid, created = path.read_text().split()
            process = psutil.Process(int(pid))
            if process.create_time() == float(created) and process.status() != psutil.STATUS_ZOMBIE:
                yield path.stem, process
        except (ValueError, psutil.Error):  # being written, or gone
            continue

"""Fills the state of very many shoppers, kills the flow, and lets it recover."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from typing import Any

import msgspec
from bytewax.recovery import init_db_dir

from benchmarks.stream.children import ChildFailed, Children, clean_environment, python
from benchmarks.stream.place import machine
from benchmarks.stream.progress import Display, Section
from benchmarks.users.source import Moments, Population
from recommender.installation import Installation

_NO_REDIS = "redis://127.0.0.1:1/0"
_LOOK_S = 0.1
_LIMIT_S = 3_600.0
_OF_SHOPPERS = ("intake", "sessions", "users")
"""Steps that keep state for each shopper."""


def run(population: Population, seconds: float, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put the figures into the result.

    Args:
        population: shoppers and events.
        seconds: how long the steady rate is watched before the kill.
        display: shows how far it is.
        result: takes the figures as they are known.

    Raises:
        ChildFailed: the flow ends by itself, or gets nowhere.
    """
    result.update({"users": population.users, "events": population.first_events, "machine": machine()})
    result["effects"] = "dropped: neither an online store nor history, only the state and its recovery"
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        bench = _Bench(population, Path(name), children)
        section = display.section("fills the state")
        worker, _ = bench.start(section, "runs", population.first_events)
        filled = bench.wait(worker, section, lambda moments: bool(moments.steady_pauses_ms))
        result.update(bench.filled(filled))
        section.done(f"{result['fill']['events_per_second']:,.0f} events/s")

        section = display.section("steady rate")
        section.say(f"{population.rate:,} events/s for {seconds:g} s", total=int(seconds))
        until = time.monotonic() + seconds
        steady = bench.wait(worker, section, lambda moments: time.monotonic() > until)
        result["snapshot_pause_ms"] = {
            "filling": _spread(steady.filling_pauses_ms),
            f"at_{population.rate}_events_per_second": _spread(steady.steady_pauses_ms),
        }
        section.done("done")

        section = display.section("recovery")
        worker.kill()
        worker.wait()
        killed_at = bench.position()
        worker, started = bench.start(section, "starts again after kill -9", None)
        recovered = bench.wait(worker, section, lambda moments: moments.first_effect > 0.0)
        result["recovery_s"] = {
            "until_state_loaded": round(recovered.opened - started, 2),
            "until_first_effect": round(recovered.first_effect - started, 2),
            "resumed_at": recovered.resumed_at,
            "events_read_again": max(0, killed_at - recovered.resumed_at),
        }
        result["peak_rss_mb_after_recovery"] = round(recovered.peak_rss_mb, 1)
        section.done(f"{result['recovery_s']['until_first_effect']:.1f} s")


class _Bench:
    """The flow and where it keeps its state."""

    def __init__(self, population: Population, folder: Path, children: Children) -> None:
        self._population, self._children = population, children
        self._installation = Installation(folder / "data")
        self._report = folder / "moments.json"
        self._began = 0.0
        self._installation.recovery_dir.mkdir(parents=True)
        init_db_dir(self._installation.recovery_dir, 1)

    def start(self, section: Section, what: str, total: int | None) -> tuple[subprocess.Popen[bytes], float]:
        """Start the flow; return it, and when that was."""
        section.say(what, total=total)
        self._report.unlink(missing_ok=True)
        env = clean_environment(
            data_dir=str(self._installation.data_dir),
            redis_url=_NO_REDIS,
            bench_report=str(self._report),
            bench_population=msgspec.json.encode(self._population).decode(),
        )
        command = python("-m", "bytewax.run", "benchmarks.users.worker")
        command += ["-r", str(self._installation.recovery_dir), "-s", "1", "-b", "0"]
        started = time.monotonic()
        return self._children.start("worker", command, env), started

    def moments(self) -> Moments:
        """Return what the flow has written down last."""
        if not self._report.exists():
            return Moments()
        return msgspec.json.decode(self._report.read_bytes(), type=Moments)

    def position(self) -> int:
        """Return how many events the flow has been given."""
        path = self._report.with_suffix(".position")
        return int.from_bytes(path.read_bytes(), "big") if path.exists() else 0

    def wait(self, worker: subprocess.Popen[bytes], section: Section, holds: Any) -> Moments:
        """Wait until something holds of the flow's moments.

        Raises:
            ChildFailed: the flow has ended, or it takes too long.
        """
        deadline = time.monotonic() + _LIMIT_S
        while not holds(moments := self.moments()):
            if worker.poll() is not None:
                raise self._children.failed("worker", f"ended with code {worker.returncode}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"worker: must get there within {_LIMIT_S:.0f} s; is at event {self.position()}")
            section.reached(min(self.position(), self._population.first_events))
            time.sleep(_LOOK_S)
        return moments

    def filled(self, moments: Moments) -> dict[str, Any]:
        """Return the sizes once all shoppers have their events."""
        users, events = self._population.users, self._population.first_events
        seconds = moments.steady - moments.opened
        on_disk = {
            folder.name: _size(folder) for folder in sorted(self._installation.state_dir.iterdir()) if folder.is_dir()
        }
        recovery = _size(self._installation.recovery_dir)
        memory = 1e6 * (moments.rss_mb_steady - moments.rss_mb_opened)
        shoppers = [step for step in _OF_SHOPPERS if step in on_disk]
        return {
            "fill": {"seconds": round(seconds, 1), "events_per_second": round(events / seconds, 1)},
            "state_bytes_per_user": {
                "encoded": round(sum(moments.state_bytes.get(step, 0.0) for step in shoppers) / users, 1),
                "on_disk": round(sum(on_disk[step] for step in shoppers) / users, 1),
                "in_memory_with_items": round(memory / users, 1),
            },
            "state_keys": {step: int(count) for step, count in moments.state_keys.items()},
            "state_encoded_mb": {step: round(size / 1e6, 1) for step, size in moments.state_bytes.items()},
            "state_on_disk_mb": {step: round(size / 1e6, 1) for step, size in on_disk.items()},
            "recovery_store_mb": round(recovery / 1e6, 1),
            "rss_mb_empty": round(moments.rss_mb_opened, 1),
            "rss_mb_filled": round(moments.rss_mb_steady, 1),
            "peak_rss_mb": round(moments.peak_rss_mb, 1),
        }


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _spread(pauses_ms: list[float]) -> dict[str, float]:
    if len(pauses_ms) < 2:
        return {"epochs": len(pauses_ms)}
    percentiles = quantiles(pauses_ms, n=100, method="inclusive")
    return {
        "epochs": len(pauses_ms),
        "p50": round(percentiles[49], 1),
        "p99": round(percentiles[98], 1),
        "max": round(max(pauses_ms), 1),
    }

"""All measurements of the stream, one after the other, and their ratios."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from benchmarks.stream import end_to_end, events, freshness
from benchmarks.stream.children import Children, clean_environment, python
from benchmarks.stream.place import Place, machine
from benchmarks.stream.profile import profile_of
from benchmarks.stream.progress import Display, Section

SECTIONS = ("passthrough", "compute", "fold-window", "end-to-end", "freshness")
_FLOW_LIMIT_S = 1_800.0


class Options(msgspec.Struct, frozen=True):
    """What is measured, and on what."""

    dataset: str
    file: Path
    rows: int | None = None
    only: tuple[str, ...] = SECTIONS
    kafka: str | None = None
    rates: tuple[int, ...] = (500, 2_000)
    seconds: float = 20.0
    rounds: int = 3
    slice_events: int = 2_000
    profile: bool = False


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Measure, and put each figure into the result as soon as it is known.

    Raises:
        LoaderError: the file is not there, or not of its format.
        ChildFailed: a process of the benchmark fails.
    """
    section = display.section("events")
    section.say("reads the file")
    prepared = events.prepare(options.dataset, options.file, options.rows)
    section.done(f"{len(prepared.records):,} events")
    result["dataset"], result["file"] = options.dataset, str(options.file)
    result["events"], result["refused_rows"] = len(prepared.records), prepared.refused_rows
    result["machine"] = machine()
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        bench = _Bench(options, prepared, Path(name), children, display, result)
        for wanted in SECTIONS:
            if wanted in options.only:
                bench.sections[wanted]()
                result["ratios"] = ratios(result)


class _Bench:
    """The sections of one run."""

    def __init__(
        self,
        options: Options,
        prepared: events.Prepared,
        folder: Path,
        children: Children,
        display: Display,
        result: dict[str, Any],
    ) -> None:
        self._options, self._prepared = options, prepared
        self._folder, self._children = folder, children
        self._display, self._result = display, result
        self._place: Place | None = None
        self._events_path = folder / "events.msgpack"
        events.save(prepared, self._events_path)
        self.sections: dict[str, Callable[[], None]] = {
            "passthrough": lambda: self._flow("passthrough", options.rounds),
            "compute": self._compute,
            "fold-window": lambda: self._flow("fold-window", 1, "--first", str(options.slice_events)),
            "end-to-end": self._end_to_end,
            "freshness": self._freshness,
        }

    def _compute(self) -> None:
        self._flow("compute", self._options.rounds)
        if self._options.profile:
            section = self._display.section("compute profile")
            self._put_profile("compute", self._one_round("compute", section, "--profile"))
            section.done("done")

    def _flow(self, name: str, rounds: int, *arguments: str) -> None:
        """Run a flow in memory some times; what counts is the median."""
        section = self._display.section(name)
        reports = [self._one_round(name, section, *arguments) for _ in range(rounds)]
        rates = [report["events"] / report["wall_s"] for report in reports]
        events_count = reports[0]["events"]
        key = "bytewax_fold_window" if name == "fold-window" else name
        self._result[f"{key}_events_per_second"] = round(median(rates), 1)
        self._result[key] = {
            "events": events_count,
            "wall_s": median(report["wall_s"] for report in reports),
            "cpu_s": median(report["cpu_s"] for report in reports),
            "cpu_us_per_event": round(1e6 * median(report["cpu_s"] for report in reports) / events_count, 2),
            "events_per_cpu_second": round(events_count / median(report["cpu_s"] for report in reports), 1),
            "peak_rss_mb": round(max(report["peak_rss_mb"] for report in reports), 1),
            "rounds_events_per_second": [round(rate, 1) for rate in rates],
        }
        section.done(f"{median(rates):,.0f} events/s")

    def _one_round(self, name: str, section: Section, *arguments: str) -> dict[str, Any]:
        section.say("runs")
        report = self._folder / f"{name}.json"
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=f"{name}-data-") as data_dir:
            env = clean_environment(data_dir=data_dir, redis_url="redis://127.0.0.1:1/0")  # a flow that opens no Redis
            command = python("-m", "benchmarks.stream.compute", name, str(self._events_path), str(report), *arguments)
            self._children.run(name, command, env, _FLOW_LIMIT_S)
        measured: dict[str, Any] = msgspec.json.decode(report.read_bytes())
        return measured

    def _end_to_end(self) -> None:
        logs: list[tuple[str, str | None]] = [("end_to_end", None)]
        if self._options.kafka:
            logs.append(("end_to_end_kafka", f"kafka://{self._options.kafka.removeprefix('kafka://')}"))
        for key, event_log in logs:
            section = self._display.section(key.replace("_", "-"))
            measured = self._stream(section, event_log, profile=False)
            for inside in ("parts", "functions", "bytewax_cpu_s"):
                measured.pop(inside)
            self._result[f"{key}_events_per_second"] = round(measured.pop("events_per_second"), 1)
            self._result[key] = measured
            if event_log is None:
                self._result["peak_rss_mb"] = round(measured["peak_rss_mb"], 1)
            section.done(f"{self._result[f'{key}_events_per_second']:,.0f} events/s")
            if self._options.profile:
                section = self._display.section(f"{key.replace('_', '-')} profile")
                self._put_profile(key, self._stream(section, event_log, profile=True))
                section.done("done")

    def _stream(self, section: Section, event_log: str | None, *, profile: bool) -> dict[str, Any]:
        place, records = self._applied_place(section), self._prepared.log_records()
        report = self._folder / "worker.json"
        return end_to_end.measure(place, self._children, records, section, report, event_log=event_log, profile=profile)

    def _freshness(self) -> None:
        section = self._display.section("freshness")
        measured = freshness.measure(
            self._applied_place(section),
            self._children,
            events.shopper_events(self._prepared),
            section,
            self._folder / "worker-fresh.json",
            rates=list(self._options.rates),
            seconds=self._options.seconds,
        )
        self._result["freshness_ms"] = measured.pop("rates")
        self._result["freshness"] = {"seconds": self._options.seconds, **measured}
        section.done(", ".join(f"p99 {found['p99']:,.0f} ms at {rate}/s" for rate, found in self._rates()))

    def _rates(self) -> list[tuple[str, dict[str, Any]]]:
        return list(self._result["freshness_ms"].items())

    def _put_profile(self, key: str, measured: dict[str, Any]) -> None:
        self._result.setdefault("profile", {})[key] = profile_of(measured)

    def _applied_place(self, section: Section) -> Place:
        if self._place is None:
            section.say("starts Redis and registers the features")
            self._place = Place(self._folder, self._children)
            self._place.apply()
        return self._place


def ratios(result: dict[str, Any]) -> dict[str, float]:
    """Return the ratios of the rates that are there."""
    pairs = {
        "compute_per_passthrough": ("compute", "passthrough"),
        "end_to_end_per_compute": ("end_to_end", "compute"),
        "end_to_end_kafka_per_end_to_end": ("end_to_end_kafka", "end_to_end"),
        "compute_per_bytewax_fold_window": ("compute", "bytewax_fold_window"),
    }
    found = {}
    for name, (over, under) in pairs.items():
        rate, other = result.get(f"{over}_events_per_second"), result.get(f"{under}_events_per_second")
        if rate and other:
            found[name] = float(f"{rate / other:.4g}")
    return found

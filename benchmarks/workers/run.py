"""Streams the same events with one process, then with several, and compares all that comes of it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import redis

from benchmarks.stream import events
from benchmarks.stream.children import Children, python
from benchmarks.stream.place import CONSUMER, Place, machine
from benchmarks.stream.progress import Display, Section
from benchmarks.workers.compare import compare
from benchmarks.workers.dump import Dump
from benchmarks.workers.marks import Marks, together
from recommender.eventlog import LogRecord, LogUnavailable

_LIMIT_S = 3_600.0


class Options(msgspec.Struct, frozen=True):
    """What is measured, and on what."""

    dataset: str
    file: Path
    rows: int | None = None
    workers: tuple[int, ...] = (1, 2, 4)
    partitions: int = 8
    kafka: str | None = None


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
    result.update({"dataset": options.dataset, "file": str(options.file), "events": len(prepared.records)})
    result.update({"event_log": "kafka" if options.kafka else "redis", "partitions": options.partitions})
    result.update({"machine": machine(), "workers": {}})
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        section = display.section("place")
        section.say("starts Redis and registers the features")
        place = Place(Path(name), children)
        place.settings = place.settings.model_copy(update={"partitions": options.partitions})
        place.apply()
        section.done("ready")
        bench = _Bench(place, children, Path(name), options, prepared.log_records())
        first: Dump | None = None
        for workers in options.workers:
            section = display.section(f"{workers} workers")
            measured = bench.stream(workers, section)
            held = bench.dump(workers, section)
            if first is None:
                first = held
            else:
                section.say(f"compares with {options.workers[0]}")
                found = compare(first, held)
                measured[f"differences_from_{options.workers[0]}"] = msgspec.to_builtins(found)
                measured["equal"], measured["identical"] = found.equal, found.identical
            measured["rows"] = {view: len(rows) for view, rows in held.rows.items()}
            measured["events_in_history"] = len(held.events)
            result["workers"][str(workers)] = measured
            section.done(f"{measured['events_per_second']:,.0f} events/s")


class _Bench:
    """Streams into one place, again and again."""

    def __init__(
        self, place: Place, children: Children, folder: Path, options: Options, records: list[LogRecord]
    ) -> None:
        self._place, self._children, self._folder = place, children, folder
        self._records = records
        self._event_log = f"kafka://{options.kafka.removeprefix('kafka://')}" if options.kafka else None

    def stream(self, workers: int, section: Section) -> dict[str, Any]:
        """Fill a fresh log, let this many workers read it to its end, and return what it took."""
        place = self._place
        place.reset(self._event_log)
        section.say("fills the event log", total=len(self._records))
        place.fill(self._records, section.reached)
        log = place.log()
        ends = log.ends()
        total = sum(ends.values())

        def look() -> None:
            with suppress(LogUnavailable):  # busy for a moment; it is only for the display
                section.reached(total - log.lag(CONSUMER, ends))

        reports = self._folder / "marks"
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir()
        env = place.environment(until_drained="true", bench_report=str(reports))
        command = ["-m", "benchmarks.workers.cluster", "-r", str(place.installation.recovery_dir)]
        section.say("streams", total=total)
        redis_cpu = self._redis_cpu_s()
        try:
            name = f"{workers}-workers"
            cluster = self._children.start(name, python(*command, "-s", "1", "-w", str(workers)), env)
            self._children.wait(name, cluster, _LIMIT_S, look)
        finally:
            log.close()
        redis_cpu = self._redis_cpu_s() - redis_cpu
        place.require_drained()
        place.drop_log()
        marks = [msgspec.json.decode(path.read_bytes(), type=Marks) for path in reports.iterdir()]
        took = together(marks)
        return {
            "events_per_second": round(total / took["wall_s"], 1),
            "events_per_cpu_second": round(total / took["cpu_s"], 1),
            "processes": len(marks),
            **took,
            "redis_cpu_s": round(redis_cpu, 2),
        }

    def dump(self, workers: int, section: Section) -> Dump:
        """Return all that the place holds."""
        section.say("reads every row")
        file = self._folder / "dump.msgpack"
        command = python("-m", "benchmarks.workers.dump", str(file))
        self._children.run(f"dump-of-{workers}", command, self._place.environment(), _LIMIT_S)
        return msgspec.msgpack.decode(file.read_bytes(), type=Dump)

    def _redis_cpu_s(self) -> float:
        client: Any = redis.Redis.from_url(self._place.redis_url)
        try:
            used = client.info("cpu")
            return float(used["used_cpu_user"] + used["used_cpu_sys"])
        finally:
            client.close()

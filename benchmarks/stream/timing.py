"""Timers around everything that a flow has Bytewax call, put in from outside.

``instrument`` rewrites a flow that is already built: each source, mapper, keyed step and sink is replaced by one that
notes the CPU and the wall time of every call. A call handles a whole batch, so the timers cost next to nothing. It
knows the operators of Bytewax alone, and nothing of what the flow does.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import StatefulBatchLogic
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition

SOURCE, MAPPER, STEP, SNAPSHOT, SINK = "source", "mapper", "step", "snapshot", "sink"
"""Kinds of parts."""


class _Part:
    """One part's times."""

    __slots__ = ("calls", "cpu_s", "kind", "wall_s")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.cpu_s = self.wall_s = 0.0
        self.calls = 0

    def report(self) -> dict[str, Any]:
        return {"kind": self.kind, "cpu_s": self.cpu_s, "wall_s": self.wall_s, "calls": self.calls}


class Timers:
    """What was measured of a flow, and the marks between which it ran."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {}
        self.began: tuple[float, float, float] | None = None
        """Monotonic clock, CPU of the process and CPU of the worker's thread when the first batch was asked for."""
        self.wrote: tuple[float, float, float] | None = None
        """The same at the end of the last call of a sink."""
        self.at_first_read: Callable[[], None] = _nothing
        self.at_end: Callable[[], None] = _nothing
        self._parts_when_wrote: dict[str, dict[str, Any]] = {}

    def call(self, kind: str, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function and add its time to a part."""
        cpu, wall = time.thread_time(), time.perf_counter()
        try:
            return function(*arguments)
        finally:
            entry = self._parts.get(part) or self._parts.setdefault(part, _Part(kind))
            entry.cpu_s += time.thread_time() - cpu
            entry.wall_s += time.perf_counter() - wall
            entry.calls += 1

    def read(self, part: str, function: Callable[[], Any]) -> Any:
        """Call the source; the first call that gives anything is where the measurement begins."""
        before = now()
        batch = self.call(SOURCE, part, function)
        if batch and self.began is None:
            self.began = before
            self.at_first_read()
        return batch

    def write(self, part: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a sink, and note when that was."""
        answer = self.call(SINK, part, function, *arguments)
        self.note_write()
        return answer

    def note_write(self) -> None:
        """Note that the flow has given something away."""
        self.wrote = now()
        self._parts_when_wrote = self._reports()

    def _reports(self) -> dict[str, dict[str, Any]]:
        return {name: part.report() for name, part in self._parts.items()}

    def report(self, *, to_the_end: bool) -> dict[str, Any]:
        """Return wall and CPU seconds from the first read to now, or else to the last write, and those of the parts.

        ``bytewax_cpu_s`` is what the worker's thread used outside of all parts; ``threads_cpu_s`` is of all others.
        To be called in the worker's thread.
        """
        end, parts = (now(), self._reports()) if to_the_end else (self.wrote, self._parts_when_wrote)
        if self.began is None or end is None:
            return {"wall_s": 0.0, "cpu_s": 0.0, "peak_rss_mb": peak_rss_mb(), "parts": {}}
        wall, cpu, thread = (after - before for before, after in zip(self.began, end, strict=True))
        inside = sum(part["cpu_s"] for part in parts.values())
        return {
            "wall_s": wall,
            "cpu_s": cpu,
            "bytewax_cpu_s": max(0.0, thread - inside),
            "threads_cpu_s": max(0.0, cpu - thread),
            "peak_rss_mb": peak_rss_mb(),
            "parts": parts,
        }


def _nothing() -> None:
    return None


def now() -> tuple[float, float, float]:
    """Return the monotonic clock, the CPU time of this process, and that of this thread [s]."""
    return time.monotonic(), time.process_time(), time.thread_time()


def peak_rss_mb() -> float:
    """Return the most memory that this process has held [MB]; what its parent held before it does not count."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024 / 1e6
    except FileNotFoundError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1_024 / 1e6


def instrument(flow: Dataflow, timers: Timers, *, inside: bool) -> Dataflow:
    """Put timers into a flow, in place, and return it.

    Args:
        flow: the flow, not yet running.
        timers: takes the times.
        inside: also around mappers and keyed steps; otherwise around sources and sinks alone.
    """
    for step in _core_steps(flow.substeps):
        name = step.step_id.removeprefix(f"{flow.flow_id}.")
        if hasattr(step, "source"):
            _replace(step, "source", _Source(step.source, name, timers))
        elif isinstance(getattr(step, "sink", None), DynamicSink):
            _replace(step, "sink", _Sink(step.sink, name, timers))
        elif hasattr(step, "sink"):
            _replace(step, "sink", _PartitionedSink(step.sink, name, timers))
        elif inside and hasattr(step, "mapper"):
            _replace(step, "mapper", _timed(step.mapper, name, timers))
        elif inside and hasattr(step, "builder"):
            _replace(step, "builder", _logic_builder(step.builder, name, timers))
    return flow


def _core_steps(steps: Iterable[Any]) -> Iterable[Any]:
    for step in steps:
        if getattr(step, "core", False):
            yield step
        else:
            yield from _core_steps(step.substeps)


def _replace(step: Any, field: str, value: Any) -> None:
    object.__setattr__(step, field, value)  # steps are frozen; no other way leads into a flow that is built


def _timed(mapper: Callable[[Any], Any], name: str, timers: Timers) -> Callable[[Any], Any]:
    def call(batch: Any) -> Any:
        return timers.call(MAPPER, name, mapper, batch)

    return call


def _logic_builder(builder: Callable[[Any], Any], name: str, timers: Timers) -> Callable[[Any], Any]:
    def build(resumed: Any) -> _Logic:
        return _Logic(timers.call(STEP, name, builder, resumed), name, timers)

    return build


class _Source(FixedPartitionedSource):
    def __init__(self, source: Any, name: str, timers: Timers) -> None:
        self._source, self._name, self._timers = source, name, timers

    def list_parts(self) -> list[str]:
        return list(self._source.list_parts())

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _SourcePart:
        return _SourcePart(self._source.build_part(step_id, for_part, resume_state), self._name, self._timers)


class _SourcePart(StatefulSourcePartition):
    def __init__(self, part: Any, name: str, timers: Timers) -> None:
        self._part, self._name, self._timers = part, name, timers

    def next_batch(self) -> Any:
        return self._timers.read(self._name, self._part.next_batch)

    def next_awake(self) -> datetime | None:
        awake: datetime | None = self._part.next_awake()
        return awake

    def snapshot(self) -> Any:
        return self._timers.call(SOURCE, f"{self._name}: snapshot", self._part.snapshot)

    def close(self) -> None:
        self._part.close()


class _Logic(StatefulBatchLogic):
    def __init__(self, logic: Any, name: str, timers: Timers) -> None:
        self._logic, self._name, self._timers = logic, name, timers

    def on_batch(self, values: list[Any]) -> Any:
        return self._timers.call(STEP, self._name, self._logic.on_batch, values)

    def on_notify(self) -> Any:
        return self._timers.call(STEP, self._name, self._logic.on_notify)

    def on_eof(self) -> Any:
        return self._timers.call(STEP, self._name, self._logic.on_eof)

    def notify_at(self) -> datetime | None:
        moment: datetime | None = self._logic.notify_at()
        return moment

    def snapshot(self) -> Any:
        return self._timers.call(SNAPSHOT, f"{self._name}: snapshot", self._logic.snapshot)


class _Sink(DynamicSink):
    def __init__(self, sink: Any, name: str, timers: Timers) -> None:
        self._sink, self._name, self._timers = sink, name, timers

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _SinkPart:
        return _SinkPart(self._sink.build(step_id, worker_index, worker_count), self._name, self._timers)


class _SinkPart(StatelessSinkPartition):
    def __init__(self, part: Any, name: str, timers: Timers) -> None:
        self._part, self._name, self._timers = part, name, timers

    def write_batch(self, items: list[Any]) -> None:
        self._timers.write(self._name, self._part.write_batch, items)

    def close(self) -> None:
        self._timers.call(SINK, f"{self._name}: close", self._part.close)


class _PartitionedSink(FixedPartitionedSink):
    def __init__(self, sink: Any, name: str, timers: Timers) -> None:
        self._sink, self._name, self._timers = sink, name, timers

    def list_parts(self) -> list[str]:
        return list(self._sink.list_parts())

    def part_fn(self, item_key: str) -> int:
        return int(self._sink.part_fn(item_key))

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _PartitionedSinkPart:
        return _PartitionedSinkPart(self._sink.build_part(step_id, for_part, resume_state), self._name, self._timers)


class _PartitionedSinkPart(StatefulSinkPartition):
    def __init__(self, part: Any, name: str, timers: Timers) -> None:
        self._part, self._name, self._timers = part, name, timers

    def write_batch(self, items: list[Any]) -> None:
        self._timers.write(self._name, self._part.write_batch, items)

    def snapshot(self) -> Any:
        return self._timers.call(SINK, f"{self._name}: snapshot", self._part.snapshot)

    def close(self) -> None:
        self._timers.call(SINK, f"{self._name}: close", self._part.close)

"""Flows on a source in memory, whose sinks drop everything: what is left is what the flow computes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from bytewax.operators import windowing
from bytewax.outputs import DynamicSink, FixedPartitionedSink, StatefulSinkPartition, StatelessSinkPartition

from benchmarks.stream.timing import Timers
from dataflows.log_source import BATCH, Arrival
from recommender.eventlog import SHOPPER, LogEntry, LogRecord, Partition
from recommender.events import CatalogueEvent, decode_event
from recommender.features import Interaction, interaction
from recommender.features.intake import ALLOWED_LATENESS_US
from recommender.features.windows import WINDOW_1H, WINDOW_5M, WINDOW_24H, Window

_QUIET_S = 0.25
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MemorySource(FixedPartitionedSource):
    """Gives encoded events as the event log's source does.

    At its end it waits until the sinks have been quiet for a moment, so that what happens at a flow's very end, such as
    its last snapshot, comes after everything that is measured.
    """

    def __init__(self, records: list[LogRecord], timers: Timers) -> None:
        partition, ingested_us = Partition(SHOPPER, 0), int(time.time() * 1e6)
        arrivals = [
            Arrival(partition, LogEntry(f"{ingested_us // 1000}-{number}", ingested_us, record.payload), number)
            for number, record in enumerate(records)
        ]
        self._batches = [arrivals[start : start + BATCH] for start in range(0, len(arrivals), BATCH)]
        self._timers = timers

    def list_parts(self) -> list[str]:
        """Return the one part's name."""
        return ["memory"]

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _MemoryPart:
        """Begin at the first event."""
        return _MemoryPart(self._batches, self._timers)


class _MemoryPart(StatefulSourcePartition):
    def __init__(self, batches: list[list[Arrival]], timers: Timers) -> None:
        self._batches = iter(batches)
        self._timers = timers
        self._awake: datetime | None = None
        self._ended_at = 0.0

    def next_batch(self) -> list[list[Arrival]]:
        batch = next(self._batches, None)
        if batch is not None:
            return [batch]
        self._ended_at = self._ended_at or time.monotonic()
        wrote_at = self._timers.wrote[0] if self._timers.wrote else 0.0
        if time.monotonic() - max(wrote_at, self._ended_at) > _QUIET_S:
            self._timers.at_end()
            raise StopIteration
        self._awake = datetime.now(UTC) + timedelta(milliseconds=20)
        return []

    def next_awake(self) -> datetime | None:
        return self._awake

    def snapshot(self) -> None:
        return None


class DropOnline:
    """Takes what is to be readable online, and keeps nothing."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers

    def add(self, effects: Any) -> None:
        """Note that there was something."""
        self._timers.note_write()

    def complete(self) -> None:
        """Have nothing to wait for."""


class DropSink(DynamicSink):
    """Takes everything and keeps nothing."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Drop:
        """Open one for a worker."""
        return _Drop()


class _Drop(StatelessSinkPartition):
    def write_batch(self, items: list[Any]) -> None:
        pass


class DropPartitionedSink(FixedPartitionedSink):
    """Takes keyed items and keeps nothing."""

    def list_parts(self) -> list[str]:
        """Return the one part's name."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> _DropPartition:
        """Open the one part."""
        return _DropPartition()


class _DropPartition(StatefulSinkPartition):
    def write_batch(self, values: list[Any]) -> None:
        pass

    def snapshot(self) -> None:
        return None


def passthrough_flow(source: MemorySource) -> Dataflow:
    """Return a flow that does nothing: each event goes from the source to the sink as an item of its own."""
    flow = Dataflow("passthrough")
    arrivals = op.input("event-log", flow, source)
    op.output("drop", op.flat_map_batch("singly", arrivals, _singly), DropSink())
    return flow


def _singly(lists: list[list[Arrival]]) -> Iterable[Arrival]:
    return [arrival for arrivals in lists for arrival in arrivals]


def fold_window_flow(source: MemorySource) -> Dataflow:
    """Return a flow that counts views and carts by user and by item with Bytewax's own sliding windows.

    Lengths, panes and allowed lateness are those of the feature flow, which has these counts among its features.
    """
    flow = Dataflow("fold-window")
    events = op.flat_map_batch("decode", op.input("event-log", flow, source), _interactions)
    counts = []
    for entity in ("user_id", "item_id"):
        keyed = op.key_on(f"by-{entity}", events, lambda event, entity=entity: getattr(event, entity))
        counts += [_counted(f"{entity}-{window.name}", keyed, window) for window in (WINDOW_5M, WINDOW_1H, WINDOW_24H)]
    op.output("drop", op.merge("counts", *counts), DropSink())
    return flow


def _counted(step_id: str, keyed: Any, window: Window) -> Any:
    clock = windowing.EventClock(
        lambda event: _EPOCH + timedelta(microseconds=event.time_us),
        timedelta(microseconds=ALLOWED_LATENESS_US),
        to_system_utc=lambda moment: None,  # a replay: only new events, or the end, close windows
    )
    windower = windowing.SlidingWindower(
        timedelta(microseconds=window.length_us), timedelta(microseconds=window.pane_us), _EPOCH
    )
    return windowing.fold_window(step_id, keyed, clock, windower, lambda: (0, 0), _count, _add, ordered=False).down


def _count(counts: tuple[int, int], event: Interaction) -> tuple[int, int]:
    views, carts = counts
    return views + (event.kind == "view"), carts + (event.kind == "add_to_cart")


def _add(counts: tuple[int, int], others: tuple[int, int]) -> tuple[int, int]:
    return counts[0] + others[0], counts[1] + others[1]


def _interactions(lists: list[list[Arrival]]) -> list[Interaction]:
    events = [
        interaction(event, payload=entry.payload, ingested_us=entry.ingested_us, number=number)
        for arrivals in lists
        for _, entry, number in arrivals
        if not isinstance(event := decode_event(entry.payload), CatalogueEvent)
    ]
    return [event for event in events if event.user_id and event.item_id]

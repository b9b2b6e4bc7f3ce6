"""Keyed steps that work shard by shard: a few shards carry all keys, so that a step handles lists, not single items."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import bytewax.operators as op
import msgspec
from bytewax.operators import KeyedStream, StatefulBatchLogic

from dataflows import metrics
from dataflows.effects import Effects, Forgotten
from dataflows.keyed_state import KeyedState
from dataflows.saver import Saver

SHARDS = 16
"""Shards of every keyed step; the most workers that can share the work. Part of the recovery data: never change it."""
SHARD_NAMES = [f"{shard:02d}" for shard in range(SHARDS)]

S = TypeVar("S", bound=msgspec.Struct)
Split = Callable[[list[tuple[str, Effects]]], Iterable[tuple[str, Any]]]


def shard_of(key: str) -> str:
    """Return the shard of a key: CRC-32 of its UTF-8 bytes, modulo the number of shards."""
    return SHARD_NAMES[zlib.crc32(key.encode()) % SHARDS]


class StatePlace(NamedTuple):
    """Where and how the steps of a flow keep their states."""

    folder: Path
    saver: Saver


class Retention(NamedTuple):
    """When a step forgets a key that nothing is heard of."""

    days_of: Callable[[str], int]
    """Gives for a key the days without an event [count]."""
    entity: str = ""
    """The entity whose rows go with the state; empty for none."""


class Stage(Protocol[S]):
    """One keyed step of a flow."""

    name: str
    """Labels the step's recovery data: renaming it orphans what it has saved."""
    state_type: type[S]

    @property
    def retention(self) -> Retention | None:
        """When it forgets; None for never."""

    def process(self, inputs: list[Any], states: KeyedState[S]) -> Effects:
        """Take what came for one shard, in order of arrival, into the states; return the effects."""


class _ShardLogic(StatefulBatchLogic, Generic[S]):
    def __init__(self, stage: Stage[S], place: StatePlace, resumed: tuple[str, int] | None) -> None:
        self._stage = stage
        self._place = place
        self._states: KeyedState[S] | None = None
        self._shard = ""
        if resumed is not None:
            self._open(*resumed)

    def _open(self, shard: str, version: int) -> KeyedState[S]:
        self._shard = shard
        path = self._place.folder / self._stage.name / f"{shard}.sqlite3"
        self._states = KeyedState(path, self._stage.state_type, version, saver=self._place.saver)
        return self._states

    def on_batch(self, values: list[tuple[str, Any]]) -> tuple[list[Effects], bool]:
        states = self._states if self._states is not None else self._open(values[0][0], 0)  # empty ones are false
        forgotten = self._forget(states, self._stage.retention) if self._stage.retention else []
        effects = self._stage.process([inputs for _, inputs in values], states)
        effects.forgotten = forgotten + effects.forgotten
        states.end_batch()
        return [effects], StatefulBatchLogic.RETAIN

    def _forget(self, states: KeyedState[S], retention: Retention) -> list[Forgotten]:
        keys = states.forget_idle(retention.days_of)
        if keys:
            metrics.FORGOTTEN.labels(self._stage.name).inc(len(keys))
        return [Forgotten(retention.entity, key) for key in keys if retention.entity]

    def snapshot(self) -> tuple[str, int]:
        if self._states is None:
            raise RuntimeError(f"{self._stage.name}: a shard without inputs has no snapshot")
        with metrics.SNAPSHOT_SECONDS.labels(self._stage.name).time():
            return self._shard, self._states.snapshot()


def keyed(stage: Stage[S], up: KeyedStream[Any], place: StatePlace, split: Split | None = None) -> KeyedStream[Effects]:
    """Send a stream through a stage.

    Args:
        stage: the step.
        up: its inputs.
        place: where and how the stage keeps its state.
        split: divides inputs among shards; without it each key of ``up`` is a shard.

    Returns:
        A stream of (shard, effects).
    """

    def addressed(pairs: list[tuple[str, Any]]) -> list[tuple[str, tuple[str, Any]]]:
        return [(shard, (shard, inputs)) for shard, inputs in (split(pairs) if split else pairs)]

    inputs = op.flat_map_batch(f"{stage.name}-by-shard", up, addressed)
    return op.stateful_batch(stage.name, inputs, lambda resumed: _ShardLogic(stage, place, resumed))

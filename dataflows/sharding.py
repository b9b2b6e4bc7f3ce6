"""Keyed steps that work shard by shard: a few shards carry all keys, so that a step handles lists, not single items."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import bytewax.operators as op
import msgspec
from bytewax.operators import KeyedStream, StatefulBatchLogic

from dataflows.keyed_state import KeyedState

SHARDS = 16
"""Shards of every keyed step; the most workers that can share the work. Part of the recovery data: never change it."""

S = TypeVar("S", bound=msgspec.Struct)
Effects = list[Any]
"""What a step makes of a list of inputs, in order: rows, events, pairs, entries."""


def shard_of(key: str) -> int:
    """Return the shard of a key: CRC-32 of its UTF-8 bytes, modulo the number of shards."""
    return zlib.crc32(key.encode()) % SHARDS


class Stage(Protocol[S]):
    """One keyed step of a flow."""

    name: str
    """Labels the step's recovery data: renaming it orphans what it has saved."""
    state_type: type[S]

    def key_of(self, value: Any) -> str | None:
        """Return the key of an input, or None where the step has no use for it."""

    def process(self, values: Iterable[Any], states: KeyedState[S]) -> Effects:
        """Take inputs of one shard, in order of arrival, into the states; return the effects."""


class _ShardLogic(StatefulBatchLogic, Generic[S]):
    def __init__(self, stage: Stage[S], state_dir: Path, resumed: tuple[int, int] | None) -> None:
        self._stage = stage
        self._dir = state_dir / stage.name
        self._states: KeyedState[S] | None = None
        self._shard = -1
        if resumed is not None:
            self._open(*resumed)

    def _open(self, shard: int, version: int) -> KeyedState[S]:
        self._shard = shard
        self._states = KeyedState(self._dir / f"{shard:02d}.sqlite3", self._stage.state_type, version)
        return self._states

    def on_batch(self, values: list[tuple[int, list[Any]]]) -> tuple[list[Effects], bool]:
        states = self._states or self._open(values[0][0], 0)
        effects = self._stage.process((value for _, packed in values for value in packed), states)
        return ([effects] if effects else []), StatefulBatchLogic.RETAIN

    def snapshot(self) -> tuple[int, int]:
        if self._states is None:
            raise RuntimeError(f"{self._stage.name}: a shard without inputs has no snapshot")
        return self._shard, self._states.snapshot()


def keyed(stage: Stage[S], up: Any, state_dir: Path) -> KeyedStream[Effects]:
    """Send a stream of lists through a stage.

    Args:
        stage: the step.
        up: stream of lists of inputs; those without a key for the stage are left out.
        state_dir: where the stage keeps its state.

    Returns:
        A stream of (shard, effects).
    """

    def pack(lists: list[Effects]) -> list[tuple[str, tuple[int, list[Any]]]]:
        by_shard: dict[int, list[Any]] = {}
        for values in lists:
            for value in values:
                key = stage.key_of(value)
                if key is not None:
                    by_shard.setdefault(shard_of(key), []).append(value)
        return [(f"{shard:02d}", (shard, values)) for shard, values in by_shard.items()]

    packed = op.flat_map_batch(f"{stage.name}-by-shard", up, pack)
    return op.stateful_batch(stage.name, packed, lambda resumed: _ShardLogic(stage, state_dir, resumed))


def unpacked(step_id: str, up: KeyedStream[Effects]) -> Any:
    """Return a keyed stream's lists without their shard."""

    def strip(pairs: list[tuple[str, Effects]]) -> list[Effects]:
        return [effects for _, effects in pairs]

    return op.flat_map_batch(step_id, up, strip)

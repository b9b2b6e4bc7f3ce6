"""Keyed state returns to any recent snapshot as if what came after had never been."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.keyed_state import KeyedState, LostState


class Tally(msgspec.Struct):
    total: int = 0


steps = st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 9)), max_size=6), min_size=1, max_size=25)


@settings(max_examples=60, deadline=None)
@given(steps, st.data())
def test_resuming_from_a_snapshot_gives_the_states_of_that_snapshot(
    batches: list[list[tuple[str, int]]], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.sqlite3"
        states = KeyedState(path, Tally, 0)
        totals: dict[str, int] = {}
        versions: list[tuple[int, dict[str, int]]] = [(0, {})]
        for batch in batches:
            for key, amount in batch:
                states.touch(key).total += amount
                totals[key] = totals.get(key, 0) + amount
            versions.append((states.snapshot(), dict(totals)))
        states.touch("a").total += 1_000  # never saved: the crash comes first
        states.close()
        version, expected = data.draw(st.sampled_from(versions[-4:]))
        if version == 0:
            expected = {}
        resumed = KeyedState(path, Tally, version)
        found = {key: state.total for key in "abcd" if (state := resumed.peek(key))}
        resumed.close()
        assert found == expected


def test_a_state_that_is_not_touched_is_not_written(tmp_path: Path) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", Tally, 0)
    states.touch("a")
    first = states.snapshot()
    states.peek("a")
    assert states.snapshot() == first
    states.close()


def test_a_version_that_the_file_does_not_hold_is_refused(tmp_path: Path) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", Tally, 0)
    states.touch("a")
    states.snapshot()
    states.close()
    with pytest.raises(LostState, match="must hold version 7, which the recovery store names; got 0 to 1"):
        KeyedState(tmp_path / "shard.sqlite3", Tally, 7)


class OtherTally(msgspec.Struct):
    total: float = 0.0


def test_a_state_of_another_layout_is_refused_by_name(tmp_path: Path) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", Tally, 0)
    states.touch("a")
    version = states.snapshot()
    states.close()
    with pytest.raises(LostState, match="was saved by a version of Liveshelf whose OtherTally differs"):
        KeyedState(tmp_path / "shard.sqlite3", OtherTally, version)

"""Keyed state returns to any recent snapshot as if what came after had never been."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflows.keyed_state import KeyedState, LostState
from dataflows.saver import Saver


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


DAY = 86_400.0


class Clock:
    """Tells the time it is told."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY

    def __call__(self) -> float:
        return self.now


def forgotten(states: KeyedState[Tally], days: int) -> list[str]:
    return sorted(states.forget_idle(lambda key: days if key.startswith("known") else 3))


def test_idle_keys_are_forgotten_after_their_days_and_leave_nothing_behind(tmp_path: Path) -> None:
    path, clock = tmp_path / "step" / "00.sqlite3", Clock()
    states = KeyedState(path, Tally, 0, clock)
    for key in ("known", "passing", "lively"):
        states.touch(key).total = 1
    states.snapshot()
    gone: list[str] = []
    for _ in range(8):
        clock.now += DAY
        gone += forgotten(states, days=6)
        states.touch("lively").total += 1
        version = states.snapshot()
        assert ("passing" in gone, "known" in gone) == (states.peek("passing") is None, states.peek("known") is None)
    assert gone == ["passing", "known"]
    states.close()

    again = KeyedState(path, Tally, version, clock)
    assert len(again) == 1
    assert again.peek("known") is None
    assert again.touch("known").total == 0
    again.close()


def test_a_key_that_comes_back_when_it_was_just_forgotten_begins_anew(tmp_path: Path) -> None:
    path, clock = tmp_path / "step" / "00.sqlite3", Clock()
    states = KeyedState(path, Tally, 0, clock)
    states.touch("passing").total = 5
    states.snapshot()
    clock.now += 10 * DAY
    assert forgotten(states, days=6) == ["passing"]
    assert forgotten(states, days=6) == []  # looked for once a day
    states.touch("passing").total += 1
    version = states.snapshot()
    states.close()
    again = KeyedState(path, Tally, version, clock)
    assert again.touch("passing").total == 1
    again.close()


def test_what_was_forgotten_is_there_again_after_a_return_to_before(tmp_path: Path) -> None:
    path, clock = tmp_path / "step" / "00.sqlite3", Clock()
    states = KeyedState(path, Tally, 0, clock)
    states.touch("passing").total = 5
    before = states.snapshot()
    clock.now += 10 * DAY
    assert forgotten(states, days=6) == ["passing"]
    states.snapshot()
    states.close()
    again = KeyedState(path, Tally, before, clock)
    assert again.touch("passing").total == 5
    again.close()


def test_many_keys_over_many_snapshots_survive_merging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflows.keyed_state._MERGED_BYTES", 500)
    path, clock = tmp_path / "step" / "00.sqlite3", Clock()
    states = KeyedState(path, Tally, 0, clock)
    totals: dict[str, int] = {}
    versions: list[tuple[int, dict[str, int]]] = []
    for step in range(200):
        for number in range(step % 7, 40, 7):
            states.touch(f"key{number}").total += step
            totals[f"key{number}"] = totals.get(f"key{number}", 0) + step
        versions.append((states.snapshot(), dict(totals)))
    states.close()
    version, expected = versions[-5]
    again = KeyedState(path, Tally, version, clock)
    assert {key: state.total for key in expected if (state := again.peek(key))} == expected
    assert len(again) == len(expected)
    again.close()


deeds = st.lists(
    st.one_of(
        st.tuples(st.just("touch"), st.sampled_from("abcdef")),
        st.tuples(st.just("days"), st.sampled_from([0.3, 1.0, 3.0])),
        st.tuples(st.just("snapshot"), st.just(0)),
        st.tuples(st.just("return"), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(deeds)
def test_touched_forgotten_saved_merged_and_returned_to_it_is_what_a_dict_would_be(done: list[tuple[str, Any]]) -> None:
    clock, saver = Clock(), Saver()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("dataflows.keyed_state._MERGED_BYTES", 50)
        patch.setattr("dataflows.keyed_state._PART_KEYS", 2)
        path = Path(folder) / "step" / "00.sqlite3"
        states = KeyedState(path, Tally, 0, clock, saver)
        totals: dict[str, int] = {}
        versions: dict[int, dict[str, int]] = {0: {}}
        for deed, what in done:
            if deed == "touch":
                states.touch(what).total += 1
                totals[what] = totals.get(what, 0) + 1
            elif deed == "days":
                clock.now += what * DAY
                for key in states.forget_idle(lambda _: 2):
                    del totals[key]
            elif deed == "snapshot":
                versions[states.snapshot()] = dict(totals)
                saver.complete()
            else:  # a crash, and a return to one of the latest versions
                states.close()
                version = list(versions)[-6:][-1 - what :][0]
                versions = {known: held for known, held in versions.items() if known <= version}
                totals = dict(versions[version])
                states = KeyedState(path, Tally, version, clock, saver)
            assert len(states) == len(totals)
            assert {key: state.total for key in "abcdef" if (state := states.peek(key))} == totals
        states.close()


class Packed(msgspec.Struct, array_like=True):
    total: int = 0


def layout_of(fields: list[tuple[str, Any, Any]], **options: Any) -> type[msgspec.Struct]:
    """A later version of `Packed`: a class of the same name in the same module."""
    options = {"array_like": True} | options
    return msgspec.defstruct("Packed", fields, module=__name__, namespace={"__qualname__": "Packed"}, **options)


def test_states_saved_before_a_field_was_added_at_the_end_are_read_with_its_default(tmp_path: Path) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", Packed, 0)
    states.touch("a").total = 7
    version = states.snapshot()
    states.close()
    later = KeyedState(
        tmp_path / "shard.sqlite3",
        layout_of([("total", int, 0), ("name", bytes, b""), ("more", list[int], [])]),
        version,
    )
    state: Any = later.touch("a")
    assert (state.total, state.name, state.more) == (7, b"", [])
    state.name = b"new"
    version = later.snapshot()
    later.close()
    with pytest.raises(LostState, match="Packed differs"):
        KeyedState(tmp_path / "shard.sqlite3", Packed, version)


@pytest.mark.parametrize(
    "fields",
    [
        [("total", float, 0.0)],
        [("name", bytes, b""), ("total", int, 0)],
        [],
    ],
)
def test_states_are_refused_whose_fields_have_changed_otherwise(tmp_path: Path, fields: Any) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", Packed, 0)
    states.touch("a")
    version = states.snapshot()
    states.close()
    with pytest.raises(LostState, match="Packed differs"):
        KeyedState(tmp_path / "shard.sqlite3", layout_of(fields), version)


def test_fields_added_to_states_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    states = KeyedState(tmp_path / "shard.sqlite3", layout_of([("total", int, 0)], array_like=False), 0)
    states.touch("a")
    version = states.snapshot()
    states.close()
    with pytest.raises(LostState, match="Packed differs"):
        KeyedState(tmp_path / "shard.sqlite3", layout_of([("total", int, 0), ("b", int, 0)], array_like=False), version)

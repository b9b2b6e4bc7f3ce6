"""On what the exactness of the flow rests: no epoch is complete before its effects are stored and its states saved."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main

from dataflows.effects import Effects, only
from dataflows.keyed_state import KeyedState
from dataflows.online import stored
from dataflows.saver import Saver
from dataflows.sharding import StatePlace, keyed


class Count(msgspec.Struct):
    total: int = 0


class Counting:
    """A step that counts what it is given, and passes nothing on but empty effects."""

    state_type = Count
    retention = None

    def __init__(self, name: str) -> None:
        self.name = name

    def process(self, inputs: list[Any], states: KeyedState[Count]) -> Effects:
        states.touch("all").total += len(inputs)
        return Effects()


class Recording(Saver):
    """Notes in which order saves are started and waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []

    def save(self, work: Any) -> Any:
        self.steps.append("save")
        return super().save(work)

    def complete(self) -> None:
        self.steps.append("wait")
        super().complete()


class Nowhere:
    """Stores nothing."""

    def add(self, effects: Effects) -> None:
        """Take effects."""

    def complete(self) -> None:
        """Return at once."""


@pytest.mark.parametrize("workers", [1, 3])
def test_every_save_of_an_epoch_is_waited_for_before_the_epoch_is_complete(tmp_path: Path, workers: int) -> None:
    saver = Recording()
    place = StatePlace(tmp_path / "state", saver)
    flow = Dataflow("order")
    keys = [f"{number % 5:02d}" for number in range(40)]
    read = op.key_on("key", op.input("in", flow, TestingSource(keys)), lambda key: key)
    first = keyed(Counting("first"), read, place)
    second = keyed(Counting("second"), first, place)
    stored("online", op.merge("all", only("of-first", first), only("of-second", second)), Nowhere, saver)
    op.output("out", second, TestingSink([]))
    recovery = tmp_path / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    cluster_main(
        flow,
        [],
        0,
        epoch_interval=timedelta(0),
        recovery_config=RecoveryConfig(str(recovery)),
        worker_count_per_proc=workers,
    )

    assert saver.steps.count("save") >= 2 * len(keys) * 0.9
    if workers == 1:  # one item makes an epoch: two saves, then the wait
        assert saver.steps[: 3 * len(keys)] == ["save", "save", "wait"] * len(keys)
    assert saver.steps[-1] == "wait"

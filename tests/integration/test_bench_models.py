"""The benchmarks of models, small."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)


def bench(*arguments: str) -> Any:
    env = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
    command = [str(Path(sys.executable).with_name("liveshelf")), "bench", *arguments, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=280, env=env)
    assert answer.returncode == 0, answer.stdout[-2_000:] + answer.stderr[-2_000:]
    return json.loads(answer.stdout)


@pytest.mark.long
def test_models_change_under_load_and_nobody_notices() -> None:
    result = bench(
        *("rollback", "--items", "1000", "--rate", "20", "--activations", "2", "--every", "1", "--stall-items", "2000"),
        *("--deadline-ms", "5000"),  # how quick this computer is is not judged here
    )
    assert result["passed"] is True
    assert (result["failed"], result["problems"]) == (0, [])
    assert result["damaged"]["activation_status"] == 409
    assert (result["damaged"]["refused"], result["damaged"]["answers"]) == (True, 0)
    assert len(result["changes"]) == 4
    assert all(change["first_answer_s"] is not None for change in result["changes"])
    assert result["changing_ms"]["p50"] > 0
    assert result["stall"]["event_loop_stall_ms_max"] > 0


def test_cells_find_nearly_what_asking_all_finds() -> None:
    result = bench("candidates", "--items", "3000", "--queries", "20")
    found = result["sizes"]["3000"]
    assert found["exact"]["p50_ms"] > 0
    reaches = ("0.25 times as many", "0.5 times as many", "served", "2 times as many")
    recalls = [found["cells"][reach]["recall"] for reach in reaches]
    assert recalls == sorted(recalls)
    assert recalls[2] > 0.9  # of twenty queries; docs have the figures of large catalogues

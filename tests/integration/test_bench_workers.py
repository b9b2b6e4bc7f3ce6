"""``liveshelf bench workers`` runs, ends well, and finds the results of two processes equal to those of one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "cli.main", "bench", "workers", "--events"]


@pytest.fixture
def taobao_file(tmp_path: Path) -> Path:
    """Shoppers who meet the same items, so that events of several partitions concern one item."""
    kinds = ("pv", "pv", "pv", "cart", "fav", "buy")
    rows = [f"{n % 150},{n % 40},{n % 40 % 7},{kinds[n % 6]},{1511658000 + n}" for n in range(600)]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.mark.long
def test_two_processes_make_what_one_makes(taobao_file: Path) -> None:
    command = [*COMMAND, str(taobao_file), "--workers", "1,2", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr.decode()
    result = json.loads(done.stdout)
    assert (result["events"], result["partitions"], result["event_log"]) == (600, 8, "redis")
    one, two = result["workers"]["1"], result["workers"]["2"]
    assert (one["processes"], two["processes"]) == (1, 2)
    assert (
        one["rows"]
        == two["rows"]
        == {"session": 150, "user": 150, "user_items": 150, "user_purchases": 25}
        | {"item_catalogue": 40, "item_activity": 40, "category": 7}
    )
    assert two["equal"], two["differences_from_1"]["shown"]
    assert (two["differences_from_1"]["rows"], two["differences_from_1"]["events"]) == (562, 600)
    for found in (one, two):
        assert found["events_in_history"] == 600
        assert found["events_per_second"] > 0
        assert found["cpu_s"] > 0


@pytest.mark.parametrize("workers", ["1,17", "0", "many", ""])
def test_numbers_of_workers_that_cannot_be_are_wrong_use(taobao_file: Path, workers: str) -> None:
    done = subprocess.run(
        [*COMMAND, str(taobao_file), "--workers", workers], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "--workers: must be numbers from 1 to 16" in done.stderr.decode()

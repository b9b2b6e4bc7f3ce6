"""The benchmark commands run, end well, and print the figures they promise; how large these are is not judged here."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.stream import eventually

EVENTS = 400


@pytest.fixture
def taobao_file(tmp_path: Path) -> Path:
    """A small file in the format of the taobao set: many users, few items, one row that is none."""
    kinds = ("pv", "pv", "pv", "cart", "fav", "buy")
    rows = [
        f"{number % 150},{number % 40},{number % 7},{kinds[number % 6]},{1511658000 + number}"
        for number in range(EVENTS)
    ]
    path = tmp_path / "events.csv"
    path.write_text("\n".join([*rows, "1,2,3,sneeze,1511658000"]) + "\n")
    return path


def bench(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "cli.main", "bench", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr.decode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.long
def test_bench_stream_prints_every_figure_of_a_small_file(taobao_file: Path) -> None:
    result = bench(
        *("stream", "--events", str(taobao_file), "--rounds", "1", "--slice", "20"),
        *("--rates", "50,100", "--seconds", "1"),
    )
    assert (result["events"], result["refused_rows"]) == (EVENTS, 1)
    for name in ("passthrough", "compute", "end_to_end", "bytewax_fold_window"):
        assert result[f"{name}_events_per_second"] > 0
        assert result[name]["cpu_s"] > 0
    assert result["end_to_end"]["events"] == EVENTS
    assert result["end_to_end"]["redis"]["appendfsync"] == "always"
    assert result["end_to_end"]["redis"]["keys"] > 150, "the rows must be in the feature store"
    assert result["peak_rss_mb"] > 0
    assert set(result["freshness_ms"]) == {"50", "100"}
    for found in result["freshness_ms"].values():
        assert 0 <= found["p50"] <= found["p99"] <= found["max"]
        assert found["markers"] == found["markers_read_through_feast"] == 50
        assert found["events_refused"] == found["markers_unseen"] == 0
    assert result["ratios"]["end_to_end_per_compute"] > 0


def test_bench_stream_measures_only_the_sections_asked_for(taobao_file: Path) -> None:
    result = bench(
        "stream", "--events", str(taobao_file), "--rows", "100", "--rounds", "2", "--only", "compute", "--profile"
    )
    assert result["events"] == 100
    assert len(result["compute"]["rounds_events_per_second"]) == 2
    parts = {part["part"] for part in result["profile"]["compute"]["parts"]}
    assert {"sessions", "users", "activity", "source", "Bytewax itself", "other threads"} <= parts
    assert not [name for name in result if name.startswith(("end_to_end", "passthrough", "freshness"))]


def test_bench_users_prints_sizes_pauses_and_recovery() -> None:
    result = bench("users", "--users", "300", "--seconds", "3", "--rate", "100")
    assert (result["users"], result["events"]) == (300, 600)
    assert result["state_keys"]["users"] == 300
    assert result["state_bytes_per_user"]["encoded"] > 0
    assert result["state_bytes_per_user"]["on_disk"] > 0
    assert result["snapshot_pause_ms"]["at_100_events_per_second"]["epochs"] >= 2
    assert result["recovery_s"]["until_first_effect"] > 0
    assert result["recovery_s"]["resumed_at"] >= 600, "the flow must go on where it was killed, not from the beginning"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--only", "compute,speed"), "--only: must be some of"),
        (("--rates", "fast"), "--rates: must be positive whole numbers"),
        (("--dataset", "amazon"), "dataset: must be one of"),
    ],
)
def test_wrong_use_is_told_in_one_line(taobao_file: Path, arguments: tuple[str, ...], told: str) -> None:
    command = [sys.executable, "-m", "cli.main", "bench", "stream", "--events", str(taobao_file), *arguments]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert told in done.stderr.decode()


def test_ctrl_c_ends_all_processes_and_leaves_no_files(taobao_file: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "bench",
        "stream",
        "--events",
        str(taobao_file),
        "--only",
        "end-to-end",
    ]
    with subprocess.Popen(
        [*command, "--json"], env=os.environ | {"TMPDIR": str(work)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        started: list[psutil.Process] = []

        def has_children() -> bool:
            started[:] = psutil.Process(process.pid).children(recursive=True)
            return len(started) >= 2  # Redis, and what registers the features or streams

        eventually(has_children, 60)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert json.loads(out)["interrupted"] is True
    assert not psutil.wait_procs(started, timeout=5)[1]
    assert not list(work.iterdir())

"""The whole of it, as a user starts it: real processes, real ports, killed and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow.parquet as pq
import pytest
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.problem import existing_installation
from cli.status import read_status
from recommender.history import EVENTS, part_files
from tests.conftest import free_port

LIVESHELF = str(Path(sys.executable).with_name("liveshelf"))
START_LIMIT_S = 400.0


def wait_until(condition: Callable[[], bool], limit_s: float = 120.0) -> None:
    Retrying(stop=stop_after_delay(limit_s), wait=wait_fixed(0.1), retry=retry_if_result(lambda ok: not ok))(condition)


class Shop:
    """An installation that can be started again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.port = free_port()
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=10.0)
        self._output = folder / "output"
        self._up: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, **settings: str) -> None:
        command = [LIVESHELF, "up", "--data-dir", str(self.folder), "--port", str(self.port), *options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
        environment |= {
            f"LIVESHELF_{name.upper()}": value
            for name, value in {"dev": "true", "deadline_ms": "5000", **settings}.items()
        }
        with self._output.open("wb") as output:
            self._up = subprocess.Popen(command, stdout=output, stderr=output, env=environment, process_group=0)
        wait_until(lambda: "Ready: " in self.output() or self._up_ended(), START_LIMIT_S)
        assert "Ready: " in self.output(), self.output()

    def _up_ended(self) -> bool:
        return self._up is not None and self._up.poll() is not None

    def output(self) -> str:
        return self._output.read_text()

    def stop(self) -> int:
        assert self._up is not None
        self._up.send_signal(signal.SIGINT)
        return self._up.wait(90)

    def kill_everything(self) -> None:
        assert self._up is not None
        everything = [psutil.Process(self._up.pid), *psutil.Process(self._up.pid).children(recursive=True)]
        for process in everything:
            process.kill()
        self._up.wait(10)
        psutil.wait_procs(everything[1:], timeout=10)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
        return subprocess.run(
            [LIVESHELF, *arguments, "--data-dir", str(self.folder)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
        )

    def status(self) -> dict[str, Any]:
        """What ``liveshelf status`` tells, without a process for each time that it is asked."""
        return read_status(existing_installation(self.folder))

    def view(self, *event_ids: str) -> None:
        now = datetime.now(UTC).isoformat()
        events = [
            {"kind": "view", "event_id": event_id, "event_time": now, "user_id": "anna", "item_id": "boot"}
            for event_id in event_ids
        ]
        assert self.api.post("/v1/events", json=events).json()["accepted"] == len(events)

    def close(self) -> None:
        self.api.close()
        if self._up is not None and self._up.poll() is None:
            self.kill_everything()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_a_demonstration_trains_a_model_and_outlives_crashes_and_kills_without_losing_an_event(shop: Shop) -> None:
    shop.start("--demo", learn_publish_seconds="3600")  # so that the model stays the same
    status = json.loads(shop.command("status", "--json").stdout)
    assert set(status["processes"]) == {"supervisor", "redis", "dataflow", "api", "learner", "shop"}
    assert all(process["alive"] for process in status["processes"].values())
    assert_slates_come_from_the_model(shop, status["model"])
    assert_a_second_one_is_refused(shop, status["processes"]["supervisor"]["pid"])
    past = status["history"]["events"]
    assert past > 10_000
    wait_until(lambda: shop.status()["history"]["events"] > past + 50)

    shop.view("e1", "e2")
    for name in ("dataflow", "redis"):
        os.kill(status["processes"][name]["pid"], signal.SIGKILL)
        assert_comes_back(shop, name, status["processes"][name]["pid"])
    shop.view("e3")
    shop.kill_everything()
    assert shop.status()["running"] is False

    shop.start("--demo", learn_publish_seconds="3600")  # so that the model stays the same
    assert " past " not in shop.output()
    assert shop.status()["model"] == status["model"]
    shop.view("e4", "e1")
    wait_until(lambda: {"e1", "e2", "e3", "e4"} <= set(event_ids_in_history(shop.folder)))
    assert shop.stop() == 0
    assert shop.status()["running"] is False
    assert shop.output().splitlines()[-1].split()[1:] == ["redis", "stopped"]
    event_ids = event_ids_in_history(shop.folder)
    assert len(event_ids) == len(set(event_ids))


def assert_slates_come_from_the_model(shop: Shop, model: str) -> None:
    answer = shop.api.get("/v1/users/user-001/recommendations", params={"n": 10}).json()
    assert model
    assert answer["model_version"] == model
    assert len(answer["items"]) == 10
    assert all(item["title"] and item["price_cents"] for item in answer["items"])


def assert_a_second_one_is_refused(shop: Shop, holder: int) -> None:
    again = shop.command("up")
    assert again.returncode == 1
    assert again.stderr == (
        f"liveshelf: {shop.folder}: another process holds this data folder; got pid {holder} (liveshelf up)\n"
    )


def assert_comes_back(shop: Shop, name: str, old_pid: int) -> None:
    def back() -> bool:
        process = shop.status()["processes"].get(name)
        return process is not None and process["alive"] and process["pid"] != old_pid

    wait_until(back)
    wait_until(lambda: shop.api.get("/health/ready").status_code == 200)


def event_ids_in_history(folder: Path) -> list[str]:
    files = part_files(folder / "history", EVENTS)
    return [event_id for file in files for event_id in pq.read_table(file)["event_id"].to_pylist()]


def test_a_port_in_use_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [LIVESHELF, "up", "--data-dir", str(tmp_path), "--port", str(port)]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert answer.returncode == 1
    assert answer.stderr == (
        f"liveshelf: --port: must be free on 127.0.0.1; got {port} (Address already in use); give another with --port\n"
    )
    assert not (tmp_path / "redis").exists()

"""How the processes of a cluster live and die together, shown with a small program in place of the flow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from dataflows.cluster import NICENESS
from tests.integration.stream import eventually

MEMBER = """
import json, os, signal, sys, time
from pathlib import Path

folder, conduct = Path(sys.argv[1]), sys.argv[2]
given = dict(zip(sys.argv[3::2], sys.argv[4::2]))
if conduct == "stubborn":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
note = {"pid": os.getpid(), **given, "port": os.environ["BYTEWAX_DATAFLOW_API_PORT"]}
(folder / "new").mkdir(exist_ok=True)
beside = folder / "new" / given["-i"]
beside.write_text(json.dumps(note))
beside.rename(folder / f"up-{given['-i']}")
try:
    while conduct != "well":
        if conduct == "fails" and given["-i"] == "1" and len(list(folder.glob("up-*"))) == 3:
            sys.exit(7)
        time.sleep(0.02)
except KeyboardInterrupt:
    (folder / f"asked-{given['-i']}").touch()
"""
LAUNCH = """
import sys
from dataflows import cluster
cluster._STOP_LIMIT_S = float(sys.argv[1])
sys.exit(cluster.run_cluster([sys.executable, *sys.argv[3:]], int(sys.argv[2])))
"""
SIZE = 3


class Cluster:
    """A cluster of three small programs, and what they have noted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self, conduct: str, stop_limit_s: float = 20.0) -> None:
        (self.folder / "member.py").write_text(MEMBER)
        command = [sys.executable, "-c", LAUNCH, str(stop_limit_s), str(SIZE)]
        command += [str(self.folder / "member.py"), str(self.folder), conduct]
        env = os.environ | {"BYTEWAX_DATAFLOW_API_PORT": "4100"}
        self._launcher = subprocess.Popen(command, env=env, stderr=subprocess.PIPE)

    def wait_until_up(self) -> None:
        eventually(lambda: len(self.members()) == SIZE, 30)

    def members(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_text()) for path in sorted(self.folder.glob("up-*"))]

    def living(self) -> list[int]:
        """Those of the members that still run."""
        return [member["pid"] for member in self.members() if runs(member["pid"])]

    def send(self, number: signal.Signals) -> None:
        assert self._launcher is not None
        self._launcher.send_signal(number)

    def ends_with(self, timeout: float = 30) -> int:
        """Wait for the end of the command and return its exit code."""
        assert self._launcher is not None
        _, told = self._launcher.communicate(timeout=timeout)
        assert b"Traceback" not in told
        return self._launcher.returncode

    def clear(self) -> None:
        if self._launcher is not None and self._launcher.poll() is None:
            self._launcher.kill()
            self._launcher.wait()
        for pid in self.living():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def runs(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster(tmp_path)
    yield made
    made.clear()


def test_each_process_gets_its_number_the_addresses_of_all_and_a_metrics_port_of_its_own(cluster: Cluster) -> None:
    cluster.start("well")
    assert cluster.ends_with() == 0
    members = cluster.members()
    assert [member["-i"] for member in members] == ["0", "1", "2"]
    assert [member["port"] for member in members] == ["4100", "4101", "4102"]
    (addresses,) = {member["-a"] for member in members}
    assert len(set(addresses.split(";"))) == SIZE
    assert all(address.startswith("127.0.0.1:") for address in addresses.split(";"))


def test_a_process_that_fails_ends_the_others_and_gives_the_exit_code(cluster: Cluster) -> None:
    cluster.start("fails")
    assert cluster.ends_with() == 7
    assert cluster.living() == []


def test_a_process_that_is_killed_ends_the_others(cluster: Cluster) -> None:
    cluster.start("waits")
    cluster.wait_until_up()
    os.kill(cluster.members()[2]["pid"], signal.SIGKILL)
    assert cluster.ends_with() == 128 + signal.SIGKILL
    assert cluster.living() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_command_asks_every_process_for_its_end(cluster: Cluster, number: signal.Signals) -> None:
    cluster.start("waits")
    cluster.wait_until_up()
    cluster.send(number)
    assert cluster.ends_with() == 0
    assert cluster.living() == []
    assert len(list(cluster.folder.glob("asked-*"))) == SIZE


def test_a_process_that_does_not_end_when_asked_is_killed(cluster: Cluster) -> None:
    cluster.start("stubborn", stop_limit_s=0.3)
    cluster.wait_until_up()
    cluster.send(signal.SIGTERM)
    assert cluster.ends_with() == 0
    assert cluster.living() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_no_process_outlives_a_command_that_is_killed(cluster: Cluster) -> None:
    cluster.start("waits")
    cluster.wait_until_up()
    cluster.send(signal.SIGKILL)
    eventually(lambda: not cluster.living(), 10)


@pytest.mark.parametrize("workers", ["0", "17", "-1", "two"])
def test_a_number_of_workers_that_cannot_be_is_refused(tmp_path: Path, workers: str) -> None:
    command = [sys.executable, "-m", "dataflows.cluster", "-r", str(tmp_path), "-w", workers]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "-w: " in done.stderr
    assert done.stderr.rstrip().endswith(("from 1 to 16; got " + workers, f"invalid int value: '{workers}'"))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_flow_comes_after_whom_shoppers_wait_for(tmp_path: Path, workers: str) -> None:
    (tmp_path / "told.py").write_text(
        f"import os\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'niceness')!r}).write_text(str(os.getpriority(os.PRIO_PROCESS, 0)))\n"
        "raise SystemExit(0)\n"
    )
    launch = f"from dataflows import cluster; cluster.main(['-r', '.', '-w', {workers!r}], flow='told')"
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", launch], env=os.environ | {"PYTHONPATH": paths}, timeout=60, check=False)
    assert int((tmp_path / "niceness").read_text()) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)

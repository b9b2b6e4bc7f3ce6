"""An installation as a user starts it, ``liveshelf up`` and ``liveshelf replay``, whose processes can be killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import redis

from recommender.eventlog import LogUnavailable, open_event_log
from recommender.installation import Installation
from recommender.settings import Settings

_START_LIMIT_S = 400.0
_STOP_LIMIT_S = 120.0
_GIVEN_UP_AT = 5
"""Deaths within 30 s of a start, in a row, at which ``liveshelf up`` gives a process up."""
_QUICK_DEATH_S = 30.0
_LIFE = re.compile(r"^\S+ (\w+) +(up after|ended with|not up within|its data is still held)(?:.*again in ([\d.]+) s)?")


class Gone(RuntimeError):
    """``liveshelf up`` has ended, or did not do what it had to in time."""


def liveshelf(*arguments: str) -> list[str]:
    """Return a command of the command line."""
    return [sys.executable, "-m", "cli.main", *arguments]


def wait_until(condition: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until a condition holds.

    Raises:
        Gone: it does not within the time.
    """
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            raise Gone(f"{what}: not within {limit_s:.0f} s")
        time.sleep(0.05)


class Shop:
    """One installation in a folder.

    Args:
        folder: where its data folder and the output of its commands go.
        port: of the API.
        event_log: address of the event log; none for the embedded one.
        workers: processes of the dataflow.
    """

    def __init__(self, folder: Path, port: int, event_log: str | None, workers: int = 1) -> None:
        self.data_dir = folder / "data"
        self.url = f"http://127.0.0.1:{port}"
        self._port = port
        self._output = folder / "up.out"
        self._replay_output = folder / "replay.out"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LIVESHELF_")}
        self._env = kept | {"LIVESHELF_WORKERS": str(workers), "LIVESHELF_DEV": "true"}
        if event_log:
            self._env["LIVESHELF_EVENT_LOG"] = event_log
        self._event_log = event_log
        self._installation = Installation(self.data_dir)
        self._up: subprocess.Popen[bytes] | None = None
        self._log: Any = None

    @property
    def settings(self) -> Settings:
        """The settings by which other processes find the installation."""
        record = self._installation.run_record()
        url = record.redis_url if record else None
        return Settings(data_dir=self.data_dir, redis_url=url, event_log=self._event_log)

    def start(self) -> None:
        """Start it, and return once all is up."""
        command = liveshelf("up", "--data-dir", str(self.data_dir), "--port", str(self._port))
        with self._output.open("ab") as output:
            self._up = subprocess.Popen(command, stdout=output, stderr=output, env=self._env, process_group=0)
        wait_until(lambda: "Ready: " in self.output() or not self.runs(), _START_LIMIT_S, "liveshelf up")
        self.require_running()

    def runs(self) -> bool:
        """Tell whether ``liveshelf up`` lives."""
        return self._up is not None and self._up.poll() is None

    def require_running(self) -> None:
        """Raise `Gone` with the end of its output if ``liveshelf up`` has ended."""
        if not self.runs():
            raise Gone("liveshelf up has ended:\n" + "\n".join(self.output().splitlines()[-30:]))

    def output(self) -> str:
        """What ``liveshelf up`` has printed."""
        return self._output.read_text(errors="replace")

    def pid(self, name: str) -> int | None:
        """Return the pid of a process that runs."""
        record = self._installation.last_run_record()
        pid = record.processes.get(name) if record else None
        return pid if pid is not None and age_s(pid) is not None else None

    def is_up(self, name: str) -> bool:
        """Tell whether a process does its work, by what ``liveshelf up`` has printed."""
        moments = self._moments(name)
        return bool(moments) and moments[-1][0] == "up after"

    def may_die(self, name: str) -> bool:
        """Tell whether one more death would not make ``liveshelf up`` give the process up."""
        deaths = [wait for what, wait in self._moments(name) if what != "up after"]
        quick = 1 + [0.5, 1.0, 2.0, 4.0].index(deaths[-1]) if deaths else 0
        if quick + 1 < _GIVEN_UP_AT:
            return True
        pid = self.pid(name)
        age = age_s(pid) if pid is not None else None
        return self.is_up(name) and age is not None and age > _QUICK_DEATH_S + 1.0

    def _moments(self, name: str) -> list[tuple[str, float]]:
        found = (_LIFE.match(line) for line in self.output().splitlines())
        return [(match[2], float(match[3] or 0.0)) for match in found if match and match[1] == name]

    def lag(self) -> int | None:
        """Return how many entries of the log the stream has not completed, None when nobody can tell."""
        try:
            if self._log is None:
                self._log = open_event_log(self.settings)
            lag: int = self._log.lag("features")
            return lag
        except (redis.RedisError, LogUnavailable):
            return None

    def replay(self, file: Path, speed: str) -> subprocess.Popen[bytes]:
        """Start a replay of a taobao file."""
        command = liveshelf("replay", "taobao", str(file), "--url", self.url, "--speed", speed, "--json")
        with self._replay_output.open("ab") as output:
            return subprocess.Popen(command, stdout=output, stderr=output, env=self._env, process_group=0)

    def replay_output(self) -> str:
        """What all replays have printed."""
        return self._replay_output.read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        """Return what ``liveshelf status --json`` says."""
        command = liveshelf("status", "--data-dir", str(self.data_dir), "--json")
        answer = subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=120, check=True)
        status: dict[str, Any] = json.loads(answer.stdout)
        return status

    def stop(self) -> None:
        """Stop it as Ctrl-C does; kill what does not stop."""
        if self._up is None or self._up.poll() is not None:
            return
        self._up.send_signal(signal.SIGINT)
        try:
            self._up.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._up.kill()
            self._up.wait()


def age_s(pid: int) -> float | None:
    """Return how long a process has lived, None when it is dead."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return time.time() - process.create_time()
    except psutil.NoSuchProcess:
        return None


def family(pid: int) -> list[int]:
    """Return a process and its children: a cluster's workers are those of the process that keeps them."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children())]
    except psutil.NoSuchProcess:
        return [pid]

"""One supervised process and its life: waiting, starting, up, dead and due again, given up."""

from __future__ import annotations

import enum
import fcntl
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from cli.supervision.log import ProcessLog
from cli.supervision.spec import ProcessSpec, RestartPolicy
from recommender.orphans import tie_to_this_process


class State(enum.Enum):
    """Where a process stands."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    DUE = "due"
    GIVEN_UP = "given up"


class Child:
    """A process that is kept as its spec says.

    Args:
        spec: what to run.
        log: where its output goes.
        policy: when it is started again.
        say: takes one line for the terminal.
    """

    def __init__(
        self, spec: ProcessSpec, log: ProcessLog, policy: RestartPolicy, say: Callable[[str, str], None]
    ) -> None:
        self.spec = spec
        self.log = log
        self.state = State.WAITING
        self._policy = policy
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._start_at = 0.0
        self._quick_deaths = 0

    @property
    def pid(self) -> int | None:
        """The pid while the process runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def advance(self, now: float) -> None:
        """Look at the process and do what is due.

        Args:
            now: seconds of a clock that never goes back.
        """
        for line in self.log.new_alarms():
            self._say(self.spec.name, line)
        if self.state is State.DUE and now >= self._start_at:
            self.start(now)
        elif self.state is State.STARTING:
            self._advance_start(now)
        elif self.state is State.UP and not self.spec.once:
            self._notice_death(now)

    @property
    def is_settled(self) -> bool:
        """Whether nobody need wait for it: it is up, is a task that returns, or was given up and is not vital."""
        given_up = self.state is State.GIVEN_UP and not self.spec.vital
        return self.state is State.UP or self.spec.every_s is not None or given_up

    def begin(self, now: float) -> None:
        """Start the process, now that those it needs are up; a task that returns waits for its time."""
        if self.spec.every_s is not None:
            self._start_in(self.spec.every_s, now)
            return
        self._say(self.spec.name, "starts")
        self.start(now)

    def start(self, now: float) -> None:
        """Start the process."""
        self._started_at = now
        self.state = State.STARTING
        try:
            self._process = _spawn(self.spec, self.log.path)
        except BlockingIOError:  # a child of the one before, such as a Redis that rewrites its file, may outlive it
            self._process = None
            self._bury("its data is still held by another process", now)

    def _advance_start(self, now: float) -> None:
        code = self._process.poll() if self._process else None
        if code is not None and not (self.spec.once and code == 0):
            self._bury(f"ended with {_reason(code)}", now)
        elif (code == 0 or not self.spec.once) and (self.spec.ready is None or self.spec.ready()):
            self.state = State.UP
            self._say(self.spec.name, f"{'done' if self.spec.once else 'up'} after {now - self._started_at:.1f} s")
            if self.spec.every_s is not None:
                self._start_in(self.spec.every_s, now)
        elif now - self._started_at > self.spec.ready_limit_s:
            self.kill()
            self._bury(f"not up within {self.spec.ready_limit_s:.0f} s", now)

    def _notice_death(self, now: float) -> None:
        code = self._process.poll() if self._process else None
        if code is not None:
            self._bury(f"ended with {_reason(code)}", now)

    def _bury(self, reason: str, now: float) -> None:
        lived_s = now - self._started_at
        if self.spec.every_s is not None:
            self._say(self.spec.name, f"{reason} after {lived_s:.1f} s; runs again in {self.spec.every_s:.0f} s")
            self._start_in(self.spec.every_s, now)
            return
        was_up = self.state is State.UP
        self._quick_deaths = self._quick_deaths + 1 if lived_s < self._policy.quick_death_s or not was_up else 1
        if self._quick_deaths >= self._policy.most_quick_deaths:
            self.state = State.GIVEN_UP
            self._say(self.spec.name, f"{reason}, {self._quick_deaths} times in a row: given up")
            return
        wait_s = self._policy.wait_s(self._quick_deaths)
        self._say(self.spec.name, f"{reason} after {lived_s:.1f} s; starts again in {wait_s:.1f} s")
        self._start_in(wait_s, now)

    def _start_in(self, wait_s: float, now: float) -> None:
        self.state, self._start_at = State.DUE, now + wait_s

    def ask_to_stop(self) -> None:
        """Send the signal to stop, if it runs."""
        if self.is_running() and self._process:
            self._process.send_signal(self.spec.stop_signal)

    def is_running(self) -> bool:
        """Tell whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Kill the process and what it started itself."""
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.wait()


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"


def _spawn(spec: ProcessSpec, log_path: Path) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, so that Ctrl-C in the terminal reaches the supervisor alone.

    To be called from the main thread: the kernel ties the process to the thread that started it.
    """
    lock = os.open(spec.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644) if spec.lock_path else None
    try:
        if lock is not None:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with log_path.open("ab") as log:
            return subprocess.Popen(
                spec.command,
                env=os.environ | spec.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=() if lock is None else (lock,),
                process_group=0,
                preexec_fn=tie_to_this_process(spec.orphan_signal),
            )
    finally:
        if lock is not None:
            os.close(lock)

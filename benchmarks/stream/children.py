"""Child processes of a benchmark: none outlives it, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1
_STOP_S = 20.0
_LAST_LINES = 2_000


class ChildFailed(RuntimeError):
    """A process of the benchmark did not do what it should; the text has the end of its log."""


class Children:
    """The processes of a benchmark; a context manager that ends those still alive.

    They are in process groups of their own, so that Ctrl-C reaches this process alone, which then ends them.
    """

    def __init__(self, logs_dir: Path) -> None:
        self._logs_dir = logs_dir
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Children:
        self._logs_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            stop(process)

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, talk: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a process.

        Args:
            name: names its log.
            command: program and arguments.
            env: its whole environment.
            talk: whether its standard input and output are pipes to this process.
        """
        with self.log_path(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                env=dict(env),
                stdin=subprocess.PIPE if talk else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talk else log,
                stderr=log,
                process_group=0,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self._processes.append(process)
        return process

    def log_path(self, name: str) -> Path:
        """Return where a process writes what it has to say."""
        return self._logs_dir / f"{name}.log"

    def run(self, name: str, command: Sequence[str], env: Mapping[str, str], limit_s: float) -> None:
        """Run a process to its end.

        Raises:
            ChildFailed: it fails, or takes longer.
        """
        self.wait(name, self.start(name, command, env), limit_s)

    def wait(
        self, name: str, process: subprocess.Popen[bytes], limit_s: float, look: Callable[[], None] | None = None
    ) -> None:
        """Wait until a process has ended well, and look at something every quarter of a second meanwhile.

        Raises:
            ChildFailed: it fails, or takes longer.
        """
        deadline = time.monotonic() + limit_s
        while True:
            try:
                code = process.wait(0.25)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise self.failed(name, f"has not ended within {limit_s:.0f} s") from None
            if look:
                look()
        if code != 0:
            raise self.failed(name, f"ended with code {code}")

    def failed(self, name: str, what: str) -> ChildFailed:
        """Return the error of a process, with the end of its log."""
        log = self.log_path(name).read_text(errors="replace")[-_LAST_LINES:].strip()
        return ChildFailed(f"{name}: {what}; its last words: {log or 'none'}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process: asked first, killed when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def wait_until(holds: Callable[[], bool], limit_s: float, what: str) -> None:
    """Wait until something holds.

    Raises:
        ChildFailed: it does not within the time.
    """
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline:
            raise ChildFailed(f"{what}: must happen within {limit_s:.0f} s")
        time.sleep(0.05)


def python(*arguments: str) -> list[str]:
    """Return the command of a Python process that never imports from the current folder."""
    return [sys.executable, "-P", *arguments]


def clean_environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with no settings but these and those of Kafka's security."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LIVESHELF_") or name.startswith("LIVESHELF_KAFKA_")
    }
    return kept | {"PYTHONUNBUFFERED": "1"} | {f"LIVESHELF_{name.upper()}": value for name, value in settings.items()}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

"""What the supervisor is told about a process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class ProcessSpec:
    """One process, and what it means that it is up."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    """Variables beyond those of the supervisor."""
    after: tuple[str, ...] = ()
    """Names of the processes that must be up before this one starts."""
    ready: Callable[[], bool] | None = None
    """Asked again and again until it says yes; without it the process is up as soon as it runs."""
    ready_limit_s: float = 180.0
    """How long it may take to be up; then it counts as dead."""
    once: bool = False
    """It is to end by itself with code 0, and is up only then (and once ``ready`` says yes)."""
    every_s: float | None = None
    """A task that runs again and again, so long after those it needs are up or the last time has ended; nobody
    waits for it."""
    vital: bool = True
    """Without it the rest is of no use: when it is given up, all are stopped."""
    lock_path: Path | None = None
    """A file whose lock the process holds for as long as it lives."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 15.0
    """How long it may take to stop; then it is killed."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """What the kernel sends it when the supervisor is killed."""


@dataclass(frozen=True)
class RestartPolicy:
    """When a process that died is started again."""

    first_wait_s: float = 0.5
    """Doubled with every further quick death in a row."""
    longest_wait_s: float = 10.0
    quick_death_s: float = 30.0
    """A process that lived for less has died quickly."""
    most_quick_deaths: int = 5
    """So many in a row, and the process is given up."""

    def wait_s(self, quick_deaths: int) -> float:
        """Return how long to wait before the next start."""
        return float(min(self.longest_wait_s, self.first_wait_s * 2 ** max(0, quick_deaths - 1)))

"""The supervisor: a loop over its processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cli.supervision.child import Child, State
from cli.supervision.log import ProcessLog
from cli.supervision.spec import ProcessSpec, RestartPolicy

_TICK_S = 0.1
_HURRY_AFTER_S = 1.0


class StopRequest:
    """How a supervisor is told to stop: by ``ask``, from a signal handler or another thread."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self.hurried = False
        """Kill what has not stopped yet."""

    @property
    def wanted(self) -> bool:
        """Stop everything."""
        return self._asked_at is not None

    def ask(self, *_: object) -> None:
        """Ask to stop; asked again, and not by the same press of a key, to hurry."""
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > _HURRY_AFTER_S:
            self.hurried = True


class Supervisor:
    """Keeps processes running until it is told to stop, or one of the vital ones has to be given up.

    Args:
        specs: the processes, each behind those it needs; they are stopped in the reverse order.
        logs_dir: where their output goes, ``<name>.log``.
        say: takes the name of a process and a line about it, for the terminal.
        policy: when a process that died is started again.
    """

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        logs_dir: Path,
        say: Callable[[str, str], None],
        policy: RestartPolicy | None = None,
    ) -> None:
        policy = policy or RestartPolicy()
        self._say = say
        self._children = {
            spec.name: Child(spec, ProcessLog(logs_dir / f"{spec.name}.log"), policy, say) for spec in specs
        }

    def run(
        self,
        stop: StopRequest,
        on_up: Callable[[], None],
        on_pids: Callable[[Mapping[str, int]], None],
    ) -> int:
        """Start all, keep them alive, and stop them.

        Args:
            stop: ends the run.
            on_up: called once, when all are up.
            on_pids: called with the pids of all that run, whenever these have changed.

        Returns:
            The exit code: 0 after ``stop``, 1 when a vital process was given up.
        """
        announced = False
        pids: dict[str, int] = {}
        try:
            while not stop.wanted:
                failed = self._tick(time.monotonic())
                if pids != (pids := self.pids()):
                    on_pids(pids)
                if failed:
                    self._explain(failed)
                    return 1
                if not announced and all(child.is_settled for child in self._children.values()):
                    announced = True
                    on_up()
                time.sleep(_TICK_S)
            self._say("liveshelf", "stops")
            return 0
        finally:
            self._stop_all(stop)

    def pids(self) -> dict[str, int]:
        """Return the pids of the processes that run."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    def _tick(self, now: float) -> Child | None:
        """Let every process advance; return a vital one that has been given up."""
        for child in self._children.values():
            if child.state is State.WAITING and all(self._children[name].is_settled for name in child.spec.after):
                child.begin(now)
            else:
                child.advance(now)
            if child.state is State.GIVEN_UP and child.spec.vital:
                return child
        return None

    def _explain(self, child: Child) -> None:
        self._say(child.spec.name, f"the end of {child.log.path}:")
        for line in child.log.tail():
            self._say(child.spec.name, f"  {line}")

    def _stop_all(self, stop: StopRequest) -> None:
        for child in reversed(self._children.values()):
            if not child.is_running():
                continue
            child.ask_to_stop()
            deadline = time.monotonic() + child.spec.stop_limit_s
            while child.is_running() and time.monotonic() < deadline and not stop.hurried:
                time.sleep(0.02)
            if child.is_running():
                self._say(child.spec.name, "did not stop in time: killed")
                child.kill()
            else:
                self._say(child.spec.name, "stopped")

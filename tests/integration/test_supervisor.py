from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from cli.supervision import ProcessSpec, RestartPolicy, StopRequest, Supervisor

SLEEPER = "import signal; signal.pause()"
QUICK = RestartPolicy(first_wait_s=0.05, longest_wait_s=0.2, most_quick_deaths=3)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", textwrap.dedent(code)]


def wait_until(condition: Callable[[], bool]) -> None:
    Retrying(stop=stop_after_delay(20), wait=wait_fixed(0.02), retry=retry_if_result(lambda ok: not ok))(condition)


class Run:
    """A supervisor in the main thread, steered by a second one."""

    def __init__(self, folder: Path, *specs: ProcessSpec) -> None:
        self.lines: list[tuple[str, str]] = []
        self.pids: Mapping[str, int] = {}
        self.stop = StopRequest()
        self.up = threading.Event()
        self._supervisor = Supervisor(specs, folder / "logs", lambda *line: self.lines.append(line), QUICK)

    def until_up(self) -> int:
        """Let it run until all are up."""
        return self.until(lambda: wait_until(self.up.is_set))

    def until(self, steps: Callable[[], None]) -> int:
        """Let it run until the steps are done; return its exit code."""

        def steer() -> None:
            try:
                steps()
            finally:
                self.stop.ask()

        thread = threading.Thread(target=steer)
        thread.start()
        code = self.until_it_ends()
        thread.join()
        return code

    def until_it_ends(self) -> int:
        """Let it run until it ends by itself; return its exit code."""
        return self._supervisor.run(self.stop, self.up.set, self._take_pids)

    def _take_pids(self, pids: Mapping[str, int]) -> None:
        self.pids = pids

    def said(self, name: str) -> list[str]:
        return [line for speaker, line in self.lines if speaker == name]


def test_a_process_starts_only_when_those_it_needs_are_up(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    run = Run(
        tmp_path,
        ProcessSpec("first", python(f"open({str(flag)!r}, 'w'); {SLEEPER}"), ready=flag.exists),
        ProcessSpec("second", python(f"assert open({str(flag)!r}); {SLEEPER}"), after=("first",)),
    )
    assert run.until_up() == 0
    assert [name for name, line in run.lines if line == "starts"] == ["first", "second"]
    assert run.said("second")[-1] == "stopped"


def test_processes_stop_in_the_reverse_order_of_their_start(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        ProcessSpec("redis", python(SLEEPER)),
        ProcessSpec("dataflow", python(SLEEPER), after=("redis",)),
        ProcessSpec("api", python(SLEEPER), after=("redis",)),
    )
    assert run.until_up() == 0
    assert [name for name, line in run.lines if line == "stopped"] == ["api", "dataflow", "redis"]


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    run = Run(tmp_path, ProcessSpec("api", python(SLEEPER)))

    def steps() -> None:
        wait_until(lambda: "api" in run.pids)
        first = run.pids["api"]
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: run.pids.get("api", first) != first)

    assert run.until(steps) == 0
    assert any(line.startswith("ended with signal SIGKILL") for line in run.said("api"))


def test_a_process_that_keeps_dying_is_given_up_with_the_end_of_its_log(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        ProcessSpec("redis", python(SLEEPER)),
        ProcessSpec("api", python("raise SystemExit('no such table: shelf')"), after=("redis",)),
    )
    assert run.until_it_ends() == 1
    assert "ended with code 1, 3 times in a row: given up" in run.said("api")
    assert run.said("api")[-1] == "  no such table: shelf"
    assert run.said("redis")[-1] == "stopped"


def test_a_process_that_can_be_done_without_is_given_up_alone(tmp_path: Path) -> None:
    run = Run(
        tmp_path,
        ProcessSpec("train", python("raise SystemExit(1)"), once=True, vital=False),
        ProcessSpec("shop", python(SLEEPER), after=("train",)),
    )
    assert run.until_up() == 0
    assert run.said("shop")[-1] == "stopped"


def test_a_task_is_up_when_it_has_ended_well(tmp_path: Path) -> None:
    made = tmp_path / "made"
    run = Run(
        tmp_path,
        ProcessSpec("apply", python(f"open({str(made)!r}, 'w')"), once=True),
        ProcessSpec("api", python(f"assert open({str(made)!r}); {SLEEPER}"), after=("apply",)),
    )
    assert run.until_up() == 0
    assert run.said("apply")[-1].startswith("done after")


def test_a_task_that_returns_runs_again_and_again_and_nobody_waits_for_it(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fails = f"open({str(runs)!r}, 'a').write('x'); raise SystemExit(1)"
    run = Run(
        tmp_path,
        ProcessSpec("shop", python(SLEEPER)),
        ProcessSpec("retrain", python(fails), after=("shop",), once=True, every_s=0.2),
    )

    def steps() -> None:
        wait_until(run.up.is_set)
        assert not runs.exists()
        wait_until(lambda: runs.exists() and len(runs.read_text()) > QUICK.most_quick_deaths)

    assert run.until(steps) == 0


def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    deaf = f"""
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open({str(ready)!r}, "w")
        signal.pause()
    """
    run = Run(tmp_path, ProcessSpec("deaf", python(deaf), ready=ready.exists, stop_limit_s=0.2))
    assert run.until_up() == 0
    assert run.said("deaf")[-1] == "did not stop in time: killed"
    assert run.pids
    assert not psutil.pid_exists(run.pids["deaf"])


def test_errors_in_a_log_are_seen_in_the_terminal(tmp_path: Path) -> None:
    code = f"print('all is well'); print('2026 ERROR shelf: broken', flush=True); {SLEEPER}"
    run = Run(tmp_path, ProcessSpec("api", python(code)))
    assert run.until(lambda: wait_until(lambda: "2026 ERROR shelf: broken" in run.said("api"))) == 0
    assert "all is well" not in run.said("api")
    assert (tmp_path / "logs" / "api.log").read_text().startswith("all is well\n")


@contextmanager
def supervisor_of_its_own(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A supervisor process with one child; its child's pid comes with it."""
    code = f"""
        import sys
        from pathlib import Path
        from cli.supervision import ProcessSpec, StopRequest, Supervisor
        spec = ProcessSpec("child", [sys.executable, "-S", "-c", {SLEEPER!r}])
        Supervisor([spec], Path({str(folder)!r}), lambda *line: None).run(
            StopRequest(), lambda: None, lambda pids: print(*pids.values(), flush=True)
        )
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        try:
            yield supervisor, int(supervisor.stdout.readline())
        finally:
            supervisor.kill()


def test_the_processes_die_with_a_killed_supervisor(tmp_path: Path) -> None:
    with supervisor_of_its_own(tmp_path) as (supervisor, child):
        assert psutil.pid_exists(child)
        supervisor.kill()
        wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")

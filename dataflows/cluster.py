"""Runs the feature flow in one process or in several: ``python -m dataflows.cluster -r RECOVERY_DIR -s 1 -w 4``.

Several processes form a cluster of Bytewax on this computer: they divide the partitions of the event log and the shards
of every step among themselves. If one of them fails, all end, so whoever keeps this command running starts them anew
together. They have a lower priority than what serves.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from recommender.orphans import tie_to_this_process

FLOW = "dataflows.features"
MOST_WORKERS = 16
NICENESS = 10
"""Added to the flow's, so that where processors are short Redis and the API, whom shoppers wait for, come first."""
_STOP_LIMIT_S = 20.0
_LOOK_EVERY_S = 0.2
_METRICS_PORT, _FIRST_METRICS_PORT = "BYTEWAX_DATAFLOW_API_PORT", "3030"


class StopAsked(Exception):
    """A signal asks for the end."""


def main(arguments: Sequence[str] | None = None, flow: str = FLOW) -> int:
    """Run the flow of a module until it ends or a signal asks for its end; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dataflows.cluster", description="Run the feature flow.")
    parser.add_argument("-r", dest="recovery", type=Path, required=True, help="recovery folder, made beforehand")
    parser.add_argument("-s", dest="seconds", type=int, default=1, help="seconds from one snapshot to the next")
    parser.add_argument("-w", dest="workers", type=int, default=1, help="processes; may change from start to start")
    given = parser.parse_args(arguments)
    if not 1 <= given.workers <= MOST_WORKERS:
        parser.error(f"-w: must be from 1 to {MOST_WORKERS}; got {given.workers}")
    os.nice(NICENESS)
    command = [sys.executable, "-P", "-m", "bytewax.run", flow]
    command += ["-r", str(given.recovery), "-s", str(given.seconds), "-b", "0"]
    if given.workers == 1:
        os.execv(sys.executable, command)  # noqa: S606 - this very Python
    return run_cluster(command, given.workers)


def run_cluster(command: Sequence[str], workers: int) -> int:
    """Run a flow in several processes of one worker each; return the first exit code that is not 0, else 0."""
    addresses = ";".join(_free_addresses(workers))
    processes: list[subprocess.Popen[bytes]] = []
    end_signal = signal.SIGKILL  # of a cluster that has lost a member nothing can be asked
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _ask_for_the_end)
        for index in range(workers):
            own = [*command, "-i", str(index), "-a", addresses]
            tie = tie_to_this_process(signal.SIGKILL)
            process = subprocess.Popen(own, env=os.environ | _metrics_port(index), preexec_fn=tie)
            processes.append(process)
        return _wait(processes)
    except StopAsked:
        end_signal = signal.SIGINT
        return 0
    finally:
        _end(processes, end_signal)


def _ask_for_the_end(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise StopAsked


def _wait(processes: Sequence[subprocess.Popen[bytes]]) -> int:
    """Wait until one process has failed or all have ended well; return the exit code."""
    while True:
        codes = [process.poll() for process in processes]
        failed = [code for code in codes if code]
        if failed:
            return failed[0] if failed[0] > 0 else 128 - failed[0]
        running = [process for process, code in zip(processes, codes, strict=True) if code is None]
        if not running:
            return 0
        try:
            running[0].wait(_LOOK_EVERY_S)
        except subprocess.TimeoutExpired:
            continue


def _end(processes: Sequence[subprocess.Popen[bytes]], end_signal: signal.Signals) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(end_signal)
    for process in processes:
        try:
            process.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _free_addresses(count: int) -> list[str]:
    """Return addresses of this computer that are free now; the loopback only, as the processes trust each other."""
    with ExitStack() as probes:
        addresses = []
        for _ in range(count):
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            addresses.append(f"127.0.0.1:{probe.getsockname()[1]}")
        return addresses


def _metrics_port(index: int) -> dict[str, str]:
    first = int(os.environ.get(_METRICS_PORT, _FIRST_METRICS_PORT))
    return {_METRICS_PORT: str(first + index)}


if __name__ == "__main__":
    sys.exit(main())

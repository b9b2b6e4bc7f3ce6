"""Runs the feature flow as its users do, in a process of its own, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping

from bytewax.recovery import init_db_dir
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from recommender.eventlog import open_event_log
from recommender.installation import Installation
from recommender.settings import Settings


def eventually(condition: Callable[[], bool], timeout: float) -> None:
    """Wait until a condition holds; fail when it does not within the time [s]."""
    Retrying(stop=stop_after_delay(timeout), wait=wait_fixed(0.1), retry=retry_if_result(lambda held: not held))(
        condition
    )


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a child process these settings."""
    event_log = {
        "LIVESHELF_EVENT_LOG": settings.event_log,
        "LIVESHELF_KAFKA_TOPIC_PREFIX": settings.kafka_topic_prefix,
        "LIVESHELF_KAFKA_TIMEOUT_SECONDS": str(settings.kafka_timeout_seconds),
    }
    return (
        os.environ
        | {"LIVESHELF_DATA_DIR": str(settings.data_dir), "LIVESHELF_REDIS_URL": str(settings.redis_url)}
        | {name: value for name, value in event_log.items() if value is not None and settings.event_log}
    )


class Stream:
    """The feature flow of an installation.

    Args:
        settings: those of the installation.
        variables: further environment variables.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, str] | None = None) -> None:
        self._settings = settings
        self._variables = dict(variables or {})
        self._recovery = Installation(settings.data_dir).recovery_dir
        self._process: subprocess.Popen[bytes] | None = None
        if not self._recovery.exists():
            self._recovery.mkdir(parents=True)
            init_db_dir(self._recovery, 1)

    def start(self, *, until_drained: bool = False) -> None:
        """Start the flow, on from its last snapshot."""
        command = [sys.executable, "-m", "bytewax.run", "dataflows.features"]
        command += ["-r", str(self._recovery), "-s", "1", "-b", "0"]
        env = (
            environment(self._settings)
            | self._variables
            | ({"LIVESHELF_UNTIL_DRAINED": "true"} if until_drained else {})
        )
        self._process = subprocess.Popen(command, env=env)

    def kill(self) -> None:
        """End the flow as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def run_to_the_end(self, timeout: float = 240) -> None:
        """Run the flow until it has read the whole log."""
        self.start(until_drained=True)
        assert self._process is not None
        assert self._process.wait(timeout) == 0

    def wait_until_drained(self, timeout: float = 120) -> None:
        """Wait until the running flow has completed all that is in the log."""
        log = open_event_log(self._settings)
        eventually(lambda: log.lag("features") == 0, timeout)
        log.close()

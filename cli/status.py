"""``liveshelf status``: what runs, how far the stream has come, which model is current."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psutil
import pyarrow.parquet as pq
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.problem import existing_installation
from recommender.deadletters import RedisDeadLetters
from recommender.eventlog import LogUnavailable, open_event_log
from recommender.history import SCHEMAS, part_files
from recommender.installation import Installation, RunRecord
from recommender.learning.record import read_record
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings

_CONSUMER = "features"
_STOPPED = "not known while the installation is stopped"


def run(data_dir: Path | None, as_json: bool) -> int:
    """Print the status of an installation; return the exit code."""
    status = read_status(existing_installation(data_dir))
    if as_json:
        print(orjson.dumps(status, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(status)
    return 0


def read_status(settings: Settings) -> dict[str, Any]:
    """Return the status; what is not known is None, with the reason under ``unknown``."""
    installation = Installation(settings.data_dir)
    record = installation.run_record()
    redis_url = record.redis_url if record else settings.redis_url
    lag, letters, unknown = _ask_redis(settings, redis_url) if redis_url else (None, None, _STOPPED)
    return {
        "running": record is not None,
        "data_dir": str(installation.data_dir),
        "api_url": record.api_url if record else None,
        "processes": _processes(record),
        "lag": lag,
        "dead_letters": letters,
        "unknown": unknown,
        "model": ModelRegistry(installation.models_dir).current_version(),
        "learning": _learning(installation),
        "history": _history(installation),
    }


def _ask_redis(settings: Settings, redis_url: str) -> tuple[int | None, int | None, str | None]:
    client = redis.Redis.from_url(redis_url, socket_timeout=5.0, retry=Retry(NoBackoff(), 0))
    log = open_event_log(settings.model_copy(update={"redis_url": redis_url}))
    try:
        letters = RedisDeadLetters(client).count()
        return log.lag(_CONSUMER), letters, None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        return None, None, f"Redis does not answer ({type(error).__name__})"
    except LogUnavailable as error:
        return None, letters, str(error)
    finally:
        client.close()
        log.close()


def _processes(record: RunRecord | None) -> dict[str, dict[str, Any]]:
    if record is None:
        return {}
    pids = {"supervisor": record.pid, **record.processes}
    found: dict[str, dict[str, Any]] = {name: {"pid": pid, "alive": _is_alive(pid)} for name, pid in pids.items()}
    return found | {name: {"pid": None, "alive": False} for name in record.lasting if name not in found}


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _learning(installation: Installation) -> dict[str, Any] | None:
    """Return what the learner has written down last, without its positions; None where it has never run."""
    record = read_record(installation.learning_path)
    if record is None:
        return None
    told: dict[str, Any] = msgspec.to_builtins(record)
    del told["log_position"]
    return told


def _history(installation: Installation) -> dict[str, int]:
    """Return the rows of each table, by the part-files' footers alone."""
    if not installation.history_dir.exists():
        return {}
    return {
        table: sum(pq.read_metadata(path).num_rows for path in part_files(installation.history_dir, table))
        for table in SCHEMAS
    }


def _show(status: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_header=False, title=f"Liveshelf in {status['data_dir']}")
    table.add_row("state", "running" if status["running"] else "stopped")
    table.add_row("API", status["api_url"] or "-")
    for name, process in status["processes"].items():
        words = f"pid {process['pid']}, {'alive' if process['alive'] else 'gone'}"
        table.add_row(f"process {name}", words if process["pid"] is not None else "does not run; see its log")
    for name, label in (("lag", "events not yet completed"), ("dead_letters", "dead letters")):
        value = status[name]
        table.add_row(label, status["unknown"] if value is None else f"{value:,}")
    table.add_row("model", status["model"] or "none yet")
    if status["learning"]:
        table.add_row("learning", _learning_words(status["learning"]))
    for name, rows in status["history"].items():
        table.add_row(f"history of {name}", f"{rows:,} rows")
    Console(width=None if os.isatty(1) else 100).print(table)


def _learning_words(learning: dict[str, Any]) -> str:
    phase = {"waiting": "waits for a full training", "stopped": "stopped until the next full training"}
    words = phase.get(learning["phase"], f"{learning['examples']:,} examples since {learning['parent']}")
    figures = f"hit rate @20 {learning['hit_rate']:.3f}, without it {learning['parent_hit_rate']:.3f}"
    return (
        f"{words}; {figures if learning['tested'] else 'none tested yet'}; "
        f"fallbacks {learning['fallbacks']}, as of {learning['updated_at']}"
    )

"""How long an erasure takes: ``python -m benchmarks.erasure --events 200000 --seconds 60``.

Two users of an installation are erased one after the other: one with few events, and one who is in every part-file of
the history. The flow runs meanwhile, as it does in an installation, and so does an append-only file.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from bytewax.recovery import init_db_dir

from benchmarks.stream.children import clean_environment, python
from recommender.embedded_redis import EmbeddedRedis, answers, start_locked, url_of
from recommender.erasure.book import ErasureBook
from recommender.erasure.worker import Eraser
from recommender.eventlog import EventLog, LogRecord, open_event_log, record_of
from recommender.events import View
from recommender.history import part_files
from recommender.history.erasing import PERSONAL_TABLES
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store.repository import apply

FEW, MANY = "one-with-few", "one-with-many"
_USERS, _ITEMS, _SHARE_OF_MANY = 5_000, 2_000, 0.02
_PER_SECOND = 10


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erasure", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--seconds", type=int, default=60, help="over which they are sent; a part-file each second")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name:
        print(json.dumps(_measure(Path(name), given.events, given.seconds), indent=2))


def _measure(folder: Path, events: int, seconds: int) -> dict[str, Any]:
    installation = Installation(folder / "data")
    with _redis(installation, folder / "redis.log") as url:
        settings = Settings(data_dir=installation.data_dir, redis_url=url)
        apply(settings)
        log = open_event_log(settings)
        client = redis.Redis.from_url(url)
        with _flow(settings):
            _send(log, events, seconds)
            found: dict[str, Any] = {"events": events, "files": _files(installation)}
            for user_id in (FEW, MANY):
                found[user_id] = _erase(settings, client, log, user_id)
            found["files_after"] = _files(installation)
        log.close()
        return found


def _send(log: EventLog, events: int, seconds: int) -> None:
    chance = random.Random(1)  # noqa: S311 - the same events each time
    start = datetime.now(UTC) - timedelta(hours=1)
    each = events // (seconds * _PER_SECOND)
    began = time.monotonic()
    for number in range(seconds * _PER_SECOND):
        log.append([_event(chance, start, number * each + place) for place in range(each)])
        time.sleep(max(0.0, began + (number + 1) / _PER_SECOND - time.monotonic()))
    while log.lag("features"):
        time.sleep(0.2)


def _event(chance: random.Random, start: datetime, number: int) -> LogRecord:
    user_id = f"user-{chance.randrange(_USERS)}"
    if chance.random() < _SHARE_OF_MANY:
        user_id = MANY
    elif number % 2_000 == 0:
        user_id = FEW
    return record_of(
        View(
            event_id=f"e{number}",
            event_time=start + timedelta(milliseconds=number),
            user_id=user_id,
            session_id=f"{user_id}.{number // 20_000}",
            item_id=f"item-{chance.randrange(_ITEMS)}",
            category=("A", f"B{chance.randrange(20)}"),
        )
    )


def _erase(settings: Settings, client: redis.Redis, log: EventLog, user_id: str) -> dict[str, Any]:
    book = ErasureBook(client)
    status, _ = book.open(user_id)
    began = since = time.monotonic()
    seconds: dict[str, float] = {}
    phase = ""

    def rest(pause_s: float) -> None:
        nonlocal phase, since
        now, found = time.monotonic(), book.status(status.erasure_id)
        if found is not None and found.phase != phase:
            if phase:
                seconds[phase] = round(seconds.get(phase, 0.0) + now - since, 2)
            phase, since = found.phase, now
        time.sleep(pause_s)

    Eraser(settings, client, log, rest).work()
    done = book.status(status.erasure_id)
    return {"seconds": round(time.monotonic() - began, 2), "phases": seconds, "counts": done.counts if done else None}


def _files(installation: Installation) -> dict[str, Any]:
    files = [path for table in PERSONAL_TABLES for path in part_files(installation.history_dir, table)]
    return {"part_files": len(files), "megabytes": round(sum(path.stat().st_size for path in files) / 1e6, 1)}


@contextmanager
def _redis(installation: Installation, log_path: Path) -> Iterator[str]:
    server = EmbeddedRedis(installation.redis_dir)
    port = server.choose_port()
    process = start_locked(server, port, log_path)
    try:
        while not answers(url_of(port)):
            time.sleep(0.05)
        yield url_of(port)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _flow(settings: Settings) -> Iterator[None]:
    recovery = Installation(settings.data_dir).recovery_dir
    recovery.mkdir(parents=True)
    init_db_dir(recovery, 1)
    variables = {"LIVESHELF_DATA_DIR": str(settings.data_dir), "LIVESHELF_REDIS_URL": str(settings.redis_url)}
    command = python("-m", "dataflows.cluster", "-r", str(recovery), "-s", "1", "-w", "1")
    process = subprocess.Popen(command, env=clean_environment() | variables, stdout=sys.stderr)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()

"""``liveshelf up``: Redis, the dataflow and the API in one terminal."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from pydantic import SecretStr

from cli.demo import demo_processes, demo_story
from cli.problem import WRONG_USE, Problem, read_settings
from cli.processes import api_url, redis_process, service_processes
from cli.supervision import StopRequest, Supervisor
from recommender.api_keys import keys_path, read_keys
from recommender.embedded_redis import EmbeddedRedis, answers, require_own_redis, url_of
from recommender.eventlog import KAFKA, TOPICS, Partition, UnsupportedEventLog, open_event_log
from recommender.eventlog.belonging import OtherEventLog, require_same_log
from recommender.folder_lock import lock_folder
from recommender.installation import Installation, RunRecord
from recommender.settings import Settings, UnsafeSettings, require_loopback_for_dev

_LEFTOVER_LIMIT_S = 5.0


def run(
    data_dir: Path | None,
    port: int | None,
    host: str | None,
    redis_url: str | None,
    kafka: str | None,
    demo: bool,
    dev: bool,
    api_workers: int | None,
) -> int:
    """Start everything, keep it running until Ctrl-C, stop it; return the exit code."""
    settings = read_settings(
        data_dir=data_dir,
        port=port,
        host=host,
        redis_url=redis_url,
        event_log=_kafka_address(kafka),
        dev=dev or None,
        api_workers=api_workers,
    )
    _require_safety(settings)
    installation = Installation(settings.data_dir)
    _require_surfaces(settings, installation)
    run_key = SecretStr(secrets.token_urlsafe(32))
    settings = settings.model_copy(update={"data_dir": installation.data_dir, "run_key": run_key})
    stop = StopRequest()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop.ask)
    _make_folder(installation)
    with lock_folder(installation.data_dir, "liveshelf up"):
        end_leftovers(installation)
        _require_free_port(settings)
        _require_event_log(settings)
        return _supervise(settings, installation, stop, demo=demo)


def _supervise(settings: Settings, installation: Installation, stop: StopRequest, *, demo: bool) -> int:
    started = time.monotonic()
    if settings.redis_url:
        if not answers(settings.redis_url):
            raise Problem(f"--redis-url: no Redis answers at {_without_password(settings.redis_url)}")
        redis_url, specs = settings.redis_url, []
    else:
        require_own_redis(installation)
        server = EmbeddedRedis(installation.redis_dir, settings.redis_fsync)
        if server.stop_leftover():
            say("redis", "stopped one that a killed run had left behind")
        redis_port = server.choose_port()
        redis_url = url_of(redis_port)
        specs = [redis_process(server, redis_port, redis_url)]
    make_recovery_store(installation)
    shutil.rmtree(installation.metrics_dir, ignore_errors=True)  # of the API's processes of an earlier run
    specs += service_processes(settings, redis_url, embedded=not settings.redis_url)
    if demo:
        specs += demo_processes(settings, redis_url)
    own = psutil.Process()
    lasting = [spec.name for spec in specs if not spec.once and spec.every_s is None]

    def note_pids(pids: Mapping[str, int]) -> None:
        key = settings.run_key.get_secret_value() if settings.run_key else None
        url = api_url(settings)
        installation.write_run_record(
            RunRecord(own.pid, own.create_time(), redis_url, url, dict(pids), settings.event_log, key, lasting)
        )

    def announce() -> None:
        say("liveshelf", f"everything is up after {time.monotonic() - started:.0f} s")
        if demo:
            print(demo_story(settings), flush=True)
        if not settings.dev and not any(key.revoked_at is None for key in read_keys(keys_path(settings))):
            print("No key to the API yet: `liveshelf keys create --scope read --scope write` makes one.", flush=True)
        where = f"data in {installation.data_dir}"
        print(f"Ready: {api_url(settings)} (docs at /docs) - {where}; Ctrl-C stops", flush=True)

    note_pids({})
    try:
        return Supervisor(specs, installation.logs_dir, say).run(stop, announce, note_pids)
    finally:
        installation.clear_run_record()


def say(name: str, line: str) -> None:
    """Print a line about a process."""
    print(f"{time.strftime('%H:%M:%S')} {name:<9} {line}", flush=True)


def _make_folder(installation: Installation) -> None:
    try:
        installation.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"--data-dir: must be a folder that can be written; {error}", WRONG_USE) from error
    if not os.access(installation.data_dir, os.W_OK | os.X_OK):
        raise Problem(f"--data-dir: must be a folder that can be written; got {installation.data_dir}", WRONG_USE)


def make_recovery_store(installation: Installation) -> None:
    """Make the folder that the dataflow keeps its progress in, if it is missing; whole or not at all."""
    if installation.recovery_dir.exists():
        return
    from bytewax.recovery import init_db_dir

    beside = installation.recovery_dir.with_name(".recovery.new")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    init_db_dir(beside, 1)
    beside.rename(installation.recovery_dir)


def _require_safety(settings: Settings) -> None:
    try:
        require_loopback_for_dev(settings)
    except UnsafeSettings as error:
        raise Problem(str(error), WRONG_USE) from None


def _require_surfaces(settings: Settings, installation: Installation) -> None:
    """Refuse a file of surfaces that would keep the API from starting, before anything else has started."""
    from recommender.serving.surfaces import BadSurfaces
    from recommender.serving.surfaces.watch import begin

    path = settings.surfaces or installation.surfaces_path
    try:
        begin(path, installation.kept_surfaces_path)
    except BadSurfaces as error:
        raise Problem(f"{path}: {error}", WRONG_USE) from error


def _require_free_port(settings: Settings) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[
            0
        ]
    except OSError as error:
        raise Problem(
            f"--host: must be an address of this computer; got {settings.host} ({error})", WRONG_USE
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise Problem(
                f"--port: must be free on {settings.host}; got {settings.port} ({reason}); give another with --port"
            ) from error


def _kafka_address(given: str | None) -> str | None:
    return given if given is None or "://" in given else f"{KAFKA}{given}"


def _require_event_log(settings: Settings) -> None:
    """Ask an event log on Kafka for its partitions, and whether it is the one that this data folder has read."""
    if settings.event_log is None or not settings.event_log.startswith(KAFKA):
        partitions = [Partition(topic, number) for topic in TOPICS for number in range(settings.partitions)]
        identity = ""
    else:
        try:
            log = open_event_log(settings)
        except UnsupportedEventLog as error:
            raise Problem(f"--kafka or {error}", WRONG_USE) from error
        try:
            partitions, identity = log.partitions(), log.identity()
        finally:
            log.close()
    try:
        require_same_log(settings, partitions, identity)
    except OtherEventLog as error:
        raise Problem(str(error), WRONG_USE) from error


def end_leftovers(installation: Installation) -> None:
    """Kill what a killed run has left behind, apart from Redis, which is asked to stop.

    The kernel does it, where it can; this is for where it cannot, or is not yet done.
    """
    record = installation.last_run_record()
    if record is None:
        return
    left = [
        process
        for name, pid in record.processes.items()
        if name != "redis" and (process := _process_of(pid, installation.data_dir)) is not None
    ]
    _, alive = psutil.wait_procs(left, timeout=1.0)
    for process in alive:
        process.kill()
    psutil.wait_procs(alive, timeout=_LEFTOVER_LIMIT_S)


def _process_of(pid: int, data_dir: Path) -> psutil.Process | None:
    """Return the process if it lives and works for this data folder; pids are given out again."""
    try:
        process = psutil.Process(pid)
        return process if process.environ().get("LIVESHELF_DATA_DIR") == str(data_dir) else None
    except psutil.Error:
        return None


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"

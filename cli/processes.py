"""The processes that make an installation, for the supervisor."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path

import httpx

from cli.supervision import ProcessSpec
from recommender.embedded_redis import EmbeddedRedis, answers
from recommender.installation import Installation, write_atomically
from recommender.settings import Settings

REDIS, APPLY, DATAFLOW, API, LEARNER = "redis", "features", "dataflow", "api", "learner"
_DECLARING = ("recommender.features", "recommender.history", "recommender.store", "feature_repo")
_JUST_NOW_S = 0.5
_LOAD_S = 900.0
_APPLY = "from recommender.settings import Settings; from recommender.store.repository import apply; apply(Settings())"


def python(*arguments: str) -> list[str]:
    """Return the command of a Python process that never imports from the current folder."""
    return [sys.executable, "-P", *arguments]


def environment(settings: Settings, redis_url: str) -> dict[str, str]:
    """Return the variables by which the processes get the settings."""
    event_log = {"LIVESHELF_EVENT_LOG": settings.event_log} if settings.event_log else {}
    return {
        "LIVESHELF_DATA_DIR": str(settings.data_dir),
        "LIVESHELF_REDIS_URL": redis_url,
        "LIVESHELF_HOST": settings.host,
        "LIVESHELF_PORT": str(settings.port),
        "LIVESHELF_DEV": str(settings.dev).lower(),
        "PYTHONUNBUFFERED": "1",
        **event_log,
    }


def redis_process(server: EmbeddedRedis, port: int, redis_url: str) -> ProcessSpec:
    """Return the embedded Redis. It is up when it has loaded its data."""
    return ProcessSpec(
        REDIS,
        server.command(port),
        ready=lambda: answers(redis_url),
        ready_limit_s=600.0,
        lock_path=server.lock_path,
        stop_limit_s=60.0,
        orphan_signal=signal.SIGTERM,
    )


def service_processes(settings: Settings, redis_url: str, *, embedded: bool) -> list[ProcessSpec]:
    """Return what runs on Redis: the feature registry's update where it is due, the dataflow, the API, the learner."""
    installation = Installation(settings.data_dir)
    env = environment(settings, redis_url)
    after = (REDIS,) if embedded else ()
    specs = []
    if not _is_applied(installation):
        noted = partial(_note_applied, installation)
        specs.append(ProcessSpec(APPLY, python("-c", _APPLY), env, after, ready=noted, once=True))
        after = (*after, APPLY)
    flow = python("-m", "dataflows.cluster", "-r", str(installation.recovery_dir))
    flow += ["-s", str(settings.snapshot_seconds), "-w", str(settings.workers)]
    apis = api_processes(settings, env, after)
    behind = (*after, *(spec.name for spec in apis))
    learner = ProcessSpec(LEARNER, python("-m", "recommender.learning"), env, behind, vital=False)
    return [
        *specs,
        ProcessSpec(
            DATAFLOW, flow, env, after, ready=partial(_saves_progress, installation), stop_signal=signal.SIGINT
        ),
        *apis,
        *([learner] if settings.learn else []),
    ]


def api_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the API's processes."""
    if settings.api_workers == 1:
        return (API,)
    return tuple(f"{API}-{number}" for number in range(1, settings.api_workers + 1))


def api_processes(settings: Settings, env: Mapping[str, str], after: tuple[str, ...]) -> list[ProcessSpec]:
    """Return the API's processes. Each is ready once it holds all items, of which a shop can have many.

    Several share the port, so each is asked by a port of its own whether it is ready. The first is vital; without one
    of the others the rest go on.
    """
    command = python("-m", "api")
    if settings.run_key is not None:
        env = {**env, "LIVESHELF_RUN_KEY": settings.run_key.get_secret_value()}
    if settings.api_workers == 1:
        return [ProcessSpec(API, command, env, after, ready=ready_check(api_url(settings)), ready_limit_s=_LOAD_S)]
    specs = []
    for place, (name, port) in enumerate(zip(api_names(settings), free_ports(settings.api_workers), strict=True)):
        own = {**env, "LIVESHELF_API_PROCESS": name, "LIVESHELF_API_PRIVATE_PORT": str(port)}
        ready = ready_check(f"http://127.0.0.1:{port}")
        specs.append(ProcessSpec(name, command, own, after, ready=ready, ready_limit_s=_LOAD_S, vital=place == 0))
    return specs


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on, all different."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def _saves_progress(installation: Installation) -> bool:
    """Tell whether the dataflow has just taken a snapshot, as it does every second or so even when nothing comes."""
    written = [path.stat().st_mtime for path in installation.recovery_dir.glob("*-wal")]
    return time.time() - max(written, default=0.0) < _JUST_NOW_S


def ready_check(url: str) -> Callable[[], bool]:
    """Return a function that asks an API process whether it is ready."""
    client = httpx.Client(timeout=2.0, trust_env=False)

    def ready() -> bool:
        try:
            return client.get(f"{url}/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return ready


def api_url(settings: Settings) -> str:
    """Return the address of the API as seen from this computer."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104
    host = everywhere.get(settings.host, f"[{settings.host}]" if ":" in settings.host else settings.host)
    return f"http://{host}:{settings.port}"


def _is_applied(installation: Installation) -> bool:
    """Tell whether the registry was made from these very definitions, for this very folder."""
    try:
        return installation.registry_path.exists() and _mark(installation).read_text() == _fingerprint(installation)
    except FileNotFoundError:
        return False


def _note_applied(installation: Installation) -> bool:
    """Note from what the registry was made; to be asked once its update has ended well."""
    write_atomically(_mark(installation), _fingerprint(installation).encode())
    return True


def _mark(installation: Installation) -> Path:
    return installation.registry_path.with_suffix(".made_from")


def _fingerprint(installation: Installation) -> str:
    content = hashlib.sha256(f"feast {version('feast')} {installation.data_dir}".encode())
    for path in _declaring_files():
        content.update(path.read_bytes())
    return content.hexdigest()


def _declaring_files() -> Iterator[Path]:
    for package in _DECLARING:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            yield from sorted(path for path in Path(folder).rglob("*") if path.suffix in {".py", ".yaml"})

"""Changes models under load: ten activations, two rollbacks, and a damaged version by two ways."""

from __future__ import annotations

import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np
import psutil

from benchmarks.rollback import shop
from benchmarks.rollback.load import Answered, Load
from benchmarks.serve.ready import serves
from benchmarks.stream.children import ChildFailed, Children, python, wait_until
from benchmarks.stream.place import Place, free_port, machine
from benchmarks.stream.progress import Display, Section
from recommender.model.registry import ModelRegistry
from recommender.store import FeastFeatures

_VERSIONS = 4
_TRAINED = 0.98
"""Share of the items that the models know; the others came later."""
_SESSIONS = 2_000
_ROWS_AT_ONCE = 500
_START_S = 300.0
_WARM_UP_S = 5.0


class Options(msgspec.Struct, frozen=True):
    """The drill."""

    items: int = 20_000
    rate: int = 200
    """Requests per second."""
    activations: int = 10
    every_s: float = 3.0
    """From one change to the next."""
    stall_items: int = 100_000
    """Items of the table by which the longest stall of an event loop is measured; 0 for not."""
    deadline_ms: float = 40.0
    """How long a slate may take; later ones fall back, and count as failed."""


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Do the drill, and put its figures into the result.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    result.update(msgspec.to_builtins(options) | {"machine": machine()})
    with tempfile.TemporaryDirectory(prefix="liveshelf-bench-") as name, Children(Path(name) / "logs") as children:
        section = display.section("shop")
        place = _place(Path(name), children, options, section)
        registry = ModelRegistry(place.installation.models_dir)
        versions = _save_versions(registry, options.items, section)
        port = free_port()
        section.say("starts the API")
        environment = place.environment(port=str(port), dev="true", deadline_ms=str(options.deadline_ms))
        api = children.start("api", python("-m", "api"), environment)
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, options.items, versions[0], registry, children)
        section.done(f"{options.items:,} items, {len(versions)} versions")
        section = display.section("drill")
        drill = _Drill(options, url, registry, place.installation.models_dir, versions, section)
        gc.freeze()
        used = psutil.Process(api.pid).cpu_times()
        result.update(asyncio.run(drill.run()))
        now = psutil.Process(api.pid).cpu_times()
        cpu_s = now.user + now.system - used.user - used.system
        result["api_cpu_ms_per_request"] = round(1_000 * cpu_s / result["requests"], 2)
        section.done(f"{result['requests']:,} requests, {result['failed']} failed")
        if options.stall_items:
            section = display.section("event loop")
            section.say(f"swaps models of {options.stall_items:,} items")
            command = python("-m", "benchmarks.rollback.stall", str(options.stall_items))
            process = children.start("stall", command, place.environment(), talk=True)
            children.wait("stall", process, _START_S)
            result["stall"] = json.loads(process.stdout.read()) if process.stdout else None
            section.done("done")
    result["passed"] = result["failed"] == 0 and result["damaged"]["answers"] == 0 and result["damaged"]["refused"]


def _place(folder: Path, children: Children, options: Options, section: Section) -> Place:
    section.say("starts Redis and registers the features")
    place = Place(folder, children)
    place.apply()
    section.say("writes the items", options.items)
    features = FeastFeatures.open(place.settings)
    now_us = time.time_ns() // 1_000
    described, active = shop.catalogue(options.items), shop.activity(options.items, now_us)
    for start in range(0, options.items, _ROWS_AT_ONCE):
        features.write([*described[start : start + _ROWS_AT_ONCE], *active[start : start + _ROWS_AT_ONCE]])
        section.reached(start)
    features.write(shop.sessions(_SESSIONS, options.items, now_us))
    features.close()
    return place


def _save_versions(registry: ModelRegistry, items: int, section: Section) -> list[str]:
    section.say("makes model versions", _VERSIONS)
    ids, described = shop.item_ids(items), shop.catalogue(items)
    trained = round(items * _TRAINED)
    versions = []
    for seed in range(_VERSIONS + 1):
        versions.append(registry.save(shop.model(ids[:trained], described[:trained], seed)))
        section.reached(seed)
    return versions


def _wait_for(url: str, items: int, version: str, registry: ModelRegistry, children: Children) -> None:
    registry.activate(version)

    def ready() -> bool:
        try:
            up = httpx.get(f"{url}/health/ready", timeout=5.0, trust_env=False).status_code == httpx.codes.OK
            metrics = httpx.get(f"{url}/metrics", timeout=5.0, trust_env=False).text if up else ""
        except httpx.TransportError:
            return False
        return serves(metrics, items, version)

    try:
        wait_until(ready, _START_S, "api: to serve all items and the first model")
    except ChildFailed as error:
        raise children.failed("api", str(error)) from None


class _Drill:
    """The drill itself, in one event loop with the load."""

    def __init__(
        self,
        options: Options,
        url: str,
        registry: ModelRegistry,
        models_dir: Path,
        versions: Sequence[str],
        section: Section,
    ) -> None:
        *self._good, self._damaged = versions
        self._options = options
        self._registry = registry
        self._models_dir = models_dir
        self._section = section
        self._url = url
        self._load = Load(url, options.rate, map(shop.session_id, range(_SESSIONS)))
        self._changes: list[tuple[float, str]] = []
        """When each version was asked for."""

    async def run(self) -> dict[str, Any]:
        """Return the figures."""
        async with httpx.AsyncClient(base_url=self._url, timeout=60.0, trust_env=False) as client:
            load = asyncio.create_task(self._load.run())
            self._section.say("warms up")
            await asyncio.sleep(_WARM_UP_S)
            steady_from = time.monotonic()
            self._section.say("serves one model")
            await asyncio.sleep(2 * self._options.every_s)
            changing_from = time.monotonic()
            self._section.say("changes models", self._options.activations)
            for number in range(1, self._options.activations + 1):
                version = self._good[number % len(self._good)]
                await self._change(client, f"/v1/models/{version}/activate", version)
                self._section.reached(number)
                if number == self._options.activations // 2:
                    damaged = await self._activate_damaged(client)
            for _ in range(2):
                await self._change(client, "/v1/models/rollback", None)
            changing_to = time.monotonic()
            self._load.stopped.set()
            await load
        answered = self._load.answered
        steady = [each for each in answered if steady_from <= each.due < changing_from]
        changing = [each for each in answered if changing_from <= each.due < changing_to]
        failed = [each for each in answered if each.problem is not None]
        return {
            "requests": len(answered),
            "failed": len(failed),
            "problems": sorted({str(each.problem) for each in failed}),
            "took_ms_p50": round(float(np.median([each.took_ms for each in answered])), 2),
            "steady_ms": _figures(steady),
            "changing_ms": _figures(changing),
            "changes": self._seconds_until_served(),
            "damaged": damaged | {"answers": sum(each.version == self._damaged for each in answered)},
        }

    async def _change(self, client: httpx.AsyncClient, path: str, version: str | None) -> None:
        asked = time.monotonic()
        answer = await client.post(path)
        if answer.status_code != httpx.codes.OK or (version and answer.json()["version"] != version):
            raise ChildFailed(f"api: POST {path} must make a version current; got {answer.text}")
        self._changes.append((asked, answer.json()["version"]))
        await asyncio.sleep(max(0.0, asked + self._options.every_s - time.monotonic()))

    async def _activate_damaged(self, client: httpx.AsyncClient) -> dict[str, Any]:
        """Damage a version, activate it by the API, then set the pointer to it by hand."""
        path = self._models_dir / self._damaged / "item_vectors.npy"
        path.write_bytes(path.read_bytes()[:-1])
        answer = await client.post(f"/v1/models/{self._damaged}/activate")
        good = self._registry.current_version()
        (self._models_dir / "CURRENT").write_text(f"{self._damaged}\n")
        await asyncio.sleep(self._options.every_s)
        told = (await client.get("/v1/models")).json()
        ready = (await client.get("/health/ready")).json()
        return {
            "activation_status": answer.status_code,
            "refused": (told["refused"] or {}).get("version") == self._damaged and told["serving"] == good,
            "warnings": ready["warnings"],
        }

    def _seconds_until_served(self) -> list[dict[str, Any]]:
        found = []
        for place, (asked, version) in enumerate(self._changes):
            following = self._changes[place + 1][0] if place + 1 < len(self._changes) else float("inf")
            ended = [each.ended for each in self._load.answered if each.version == version]
            first = min((moment for moment in ended if asked <= moment < following), default=None)
            others = [
                each.ended
                for each in self._load.answered
                if each.version not in (version, None) and asked <= each.ended < following
            ]
            found.append(
                {
                    "version": version,
                    "first_answer_s": round(first - asked, 3) if first else None,
                    "last_other_answer_s": round(max(others, default=asked) - asked, 3),
                }
            )
        return found


def _figures(answered: Sequence[Answered]) -> dict[str, float] | None:
    milliseconds = [each.ms for each in answered]
    if not milliseconds:
        return None  # the load has never come so far: it is far too high for this computer
    p50, p99, most = np.quantile(milliseconds, (0.5, 0.99, 1.0)).tolist()
    return {"requests": len(milliseconds), "p50": round(p50, 2), "p99": round(p99, 2), "max": round(most, 2)}

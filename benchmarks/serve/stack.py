"""Redis, the dataflow and one API process over a made-up shop, the API with a processor of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil

from benchmarks.rollback import shop
from benchmarks.serve import shoppers
from benchmarks.serve.process import Plan
from benchmarks.serve.ready import serves
from benchmarks.serve.trees import ranker
from benchmarks.stream.children import ChildFailed, Children, python, wait_until
from benchmarks.stream.place import Place, free_port
from benchmarks.stream.progress import Section
from recommender.model.registry import ModelRegistry
from recommender.store import FeastFeatures

_TRAINED = 0.98
"""Share of the items that the model knows; the others came later."""
_ROWS_AT_ONCE = 2_000
_START_S = 1_800.0
_FLOW_S = 120.0


@cache
def processors() -> tuple[list[int], list[int]]:
    """Return the processors of the API and those of all else, which are the same where there is but one.

    As they were when this was first asked: who has taken all else's processors sees no others any more.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [], []
    every = sorted(os.sched_getaffinity(0))
    return every[:1], every[1:] or every


@contextmanager
def on(cpus: list[int]) -> Iterator[None]:
    """Have this process, and what it starts, run on some processors alone."""
    if not cpus:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Stack:
    """The shop and what serves it."""

    def __init__(self, folder: Path, children: Children, section: Section, items: int, users: int) -> None:
        self._children = children
        self.items, self.users = items, users
        section.say("starts Redis and registers the features")
        self.place = Place(folder, children)
        self.place.apply()
        self.place.reset()
        self.filled_s = self._fill(section)
        self.version = self._save_model(section)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ready_s = self._start(section)
        self._load = children.start("load", python("-m", "benchmarks.serve.process"), os.environ, talk=True)

    def _fill(self, section: Section) -> float:
        started = time.monotonic()
        section.say("writes the items", self.items)
        now_us = time.time_ns() // 1_000
        features = FeastFeatures.open(self.place.settings)
        described, active = shop.catalogue(self.items), shop.activity(self.items, now_us)
        for start in range(0, self.items, _ROWS_AT_ONCE):
            features.write([*described[start : start + _ROWS_AT_ONCE], *active[start : start + _ROWS_AT_ONCE]])
            section.reached(start)
        del described, active
        section.say("writes the shoppers", self.users)
        rows: list[Any] = []
        for number, of_user in enumerate(shoppers.rows(self.users, self.items, now_us)):
            rows += of_user
            if len(rows) >= _ROWS_AT_ONCE:
                features.write(rows)
                rows.clear()
                section.reached(number)
        if rows:
            features.write(rows)
        features.close()
        return time.monotonic() - started

    def _save_model(self, section: Section) -> str:
        section.say("makes a model")
        trained = round(self.items * _TRAINED)
        model = shop.model(shop.item_ids(trained), shop.catalogue(trained), 0)
        model.parts = model.parts._replace(ranker=ranker())
        registry = ModelRegistry(self.place.installation.models_dir)
        version = registry.save(model)
        registry.activate(version)
        return version

    def _start(self, section: Section) -> float:
        section.say("starts the dataflow")
        flow = python("-m", "dataflows.cluster", "-r", str(self.place.installation.recovery_dir), "-s", "1")
        worker = self._children.start("dataflow", flow, self.place.environment())
        wait_until(lambda: self.place.worker_is_up(worker), _FLOW_S, "dataflow: to take snapshots")
        section.say("starts the API")
        started = time.monotonic()
        with on(processors()[0]):
            command = python("-m", "api")
            self.api = self._children.start("api", command, self.place.environment(port=str(self.port), dev="true"))
        try:
            wait_until(self._serves, _START_S, "api: to serve all items and the model")
        except ChildFailed as error:
            raise self._children.failed("api", str(error)) from None
        return time.monotonic() - started

    def _serves(self) -> bool:
        if self.api.poll() is not None:
            raise self._children.failed("api", f"ended with code {self.api.returncode}")
        try:
            with httpx.Client(base_url=self.url, timeout=10.0, trust_env=False) as client:
                if client.get("/health/ready").status_code != httpx.codes.OK:
                    return False
                metrics = client.get("/metrics").text
        except httpx.TransportError:
            return False
        return serves(metrics, self.items, self.version)

    def load(self, plan: Plan) -> dict[str, Any]:
        """Send a load and return its figures, with what the API took for it."""
        process = psutil.Process(self.api.pid)
        before = process.cpu_times()
        figures = ask(self._load, plan)
        after = process.cpu_times()
        cpu_s = after.user + after.system - before.user - before.system
        figures["api_cpu_ms_per_request"] = round(1_000 * cpu_s / max(1, figures["requests"]), 3)
        figures["api_rss_mb"] = round(process.memory_info().rss / 1e6, 1)
        return figures


def ask(process: subprocess.Popen[bytes], plan: msgspec.Struct) -> dict[str, Any]:
    """Have a load process carry out a plan; return its figures.

    Raises:
        ChildFailed: it has ended.
    """
    if process.stdin is None or process.stdout is None:
        raise ChildFailed("load: must have pipes to be asked by")
    try:
        process.stdin.write(msgspec.json.encode(plan) + b"\n")
        process.stdin.flush()
    except BrokenPipeError:
        raise ChildFailed("load: ended early; its log says why") from None
    line = process.stdout.readline()
    if not line:
        raise ChildFailed("load: ended early; its log says why")
    figures: dict[str, Any] = msgspec.json.decode(line)
    return figures

"""One drill after the other: something breaks a fifth of the way through, and shoppers go on asking."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from benchmarks.chaos.process import CLICK, SLATE, Plan
from benchmarks.chaos.slow_proxy import SlowProxy
from benchmarks.serve.stack import ask
from benchmarks.serve.up import Up
from benchmarks.stream.children import ChildFailed, Children, clean_environment, python, wait_until
from benchmarks.stream.place import free_port, machine
from benchmarks.stream.progress import Display, Section
from recommender.embedded_redis import EmbeddedRedis, answers, url_of
from recommender.history import EVENTS, part_files

REDIS, SLOW, MODEL, DATAFLOW, API = "redis", "slow", "model", "dataflow", "api"
DRILLS = (REDIS, MODEL, DATAFLOW, API, SLOW)
_LEAD_S = 0.5
_BREAKS_AT, _MENDED_AT = 0.2, 0.6
"""When something breaks, and when what does not mend itself is mended, as shares of the drill."""
_DELAY_S = 0.5
_WARM_UP_S = 5.0
_HISTORY_S = 60.0
_ANSWERED = 0.999
_WHAT = {
    REDIS: "Redis is killed (SIGKILL); the supervisor starts it again",
    SLOW: f"every way to the feature store takes {_DELAY_S * 1_000:.0f} ms longer from a fifth of the drill on until "
    "three fifths; the event log is not behind it",
    MODEL: "a file of the current model is cut in half in place",
    DATAFLOW: "the dataflow is killed (SIGKILL); the supervisor starts it again",
    API: "one of two API processes is killed (SIGKILL); the supervisor starts it again",
}


class Options(msgspec.Struct, frozen=True):
    """The drills."""

    seconds: float = 60.0
    rate: int = 100
    only: tuple[str, ...] = DRILLS
    items: int = 2_000
    users: int = 1_500
    """So many that a third of the slates are not in the cache."""
    workers: int = 2


def run(options: Options, display: Display, result: dict[str, Any]) -> None:
    """Do the drills, and put the figures of each into the result.

    Raises:
        ChildFailed: a process of the benchmark fails.
    """
    result.update(msgspec.to_builtins(options) | {"machine": machine(), "drills": {}})
    result["traffic"] = (
        "nine of ten requests are known shoppers' home slates, each tenth posts a click; a GET whose connection "
        "breaks is sent once more 50 ms later, and counts as not answered in answered_ratio_without_retry; "
        "a POST is sent once"
    )
    own = [drill for drill in options.only if drill != SLOW]
    if own:
        with _folder() as name, Children(Path(name) / "logs") as children:
            section = display.section("installation")
            up = Up(Path(name), children, section, options.workers)
            _Drills(up, children, options, section, None).do(own, display, result["drills"])
            up.stop()
    if SLOW in options.only:
        with _folder() as name, Children(Path(name) / "logs") as children:
            section = display.section("behind a proxy")
            _behind_a_proxy(Path(name), children, options, section, display, result)
    result["passed"] = all(found["met"] for found in result["drills"].values())


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="liveshelf-bench-")


def _behind_a_proxy(
    folder: Path, children: Children, options: Options, section: Section, display: Display, result: dict[str, Any]
) -> None:
    """Run the installation on a Redis whose features go through a proxy, and whose event log does not."""
    redis_dir, port = folder / "redis", free_port()
    redis_dir.mkdir()
    children.start("redis", EmbeddedRedis(redis_dir).command(port), clean_environment())
    wait_until(lambda: answers(url_of(port)), 30.0, "redis: to answer")
    proxy = SlowProxy(port)
    proxy.start()
    more = {"redis_url": url_of(proxy.port), "event_log": url_of(port)}
    up = Up(folder, children, section, options.workers, more)
    _Drills(up, children, options, section, proxy).do([SLOW], display, result["drills"])
    up.stop()
    proxy.stop()


class _Drills:
    """Drills of one installation."""

    def __init__(self, up: Up, children: Children, options: Options, section: Section, proxy: SlowProxy | None) -> None:
        self._up, self._options, self._proxy = up, options, proxy
        self._version = up.fill(options.items, options.users, section)
        self._load = children.start("load", python("-m", "benchmarks.chaos.process"), os.environ, talk=True)
        section.say("warms up")
        ask(self._load, self._plan("warm-up", min(_WARM_UP_S, options.seconds), None))
        section.done("filled")
        self._breaks: dict[str, Callable[[], None]] = {
            REDIS: lambda: self._kill("redis"),
            DATAFLOW: lambda: self._kill("dataflow"),
            API: lambda: self._kill(f"api-{options.workers}"),
            MODEL: self._cut_model,
            SLOW: lambda: self._delay(_DELAY_S),
        }

    def do(self, drills: list[str], display: Display, results: dict[str, Any]) -> None:
        """Do some drills."""
        for drill in drills:
            section = display.section(drill)
            section.say(_WHAT[drill])
            found = results[drill] = self._drill(drill)
            section.done(
                f"answered {found['answered_ratio']:.3%}, degraded {found['degraded_ratio']:.2%}, all well after "
                f"{found['recovery_s']:g} s, {found['events_lost']} events lost"
            )

    def _plan(self, label: str, seconds: float, begins: float | None) -> Plan:
        options = self._options
        return Plan(self._up.url, label, seconds, options.rate, options.users, options.items, begins)

    def _drill(self, drill: str) -> dict[str, Any]:
        seconds = self._options.seconds
        begins = time.monotonic() + _LEAD_S
        told: dict[str, Any] = {}
        label = f"{drill}-{time.time_ns()}"
        load = threading.Thread(target=lambda: told.update(ask(self._load, self._plan(label, seconds, begins))))
        load.start()
        _sleep_until(begins + _BREAKS_AT * seconds)
        broken_s = time.monotonic() - begins
        self._breaks[drill]()
        if drill == SLOW:
            _sleep_until(begins + _MENDED_AT * seconds)
            broken_s = time.monotonic() - begins
            self._delay(0.0)
        load.join()
        if not told:
            raise ChildFailed("load: must tell what became of the requests; its log says why it did not")
        if drill == MODEL:
            self._mend_model()
        lost = self._lost(told["acknowledged"])
        return {"what": _WHAT[drill], **_figures(told, broken_s), "events_lost": lost} | _verdict(told, lost)

    def _kill(self, name: str) -> None:
        os.kill(self._up.pids()[name], signal.SIGKILL)

    def _delay(self, seconds: float) -> None:
        if self._proxy is not None:
            self._proxy.delay_s = seconds

    def _model_file(self) -> Path:
        return self._up.installation.models_dir / self._version / "item_vectors.npy"

    def _cut_model(self) -> None:
        path = self._model_file()
        self._whole = path.read_bytes()
        os.truncate(path, len(self._whole) // 2)

    def _mend_model(self) -> None:
        self._model_file().write_bytes(self._whole)

    def _lost(self, acknowledged: list[str]) -> int:
        """Return how many acknowledged events have not come into the history."""
        self._up.drain()
        wanted, deadline = set(acknowledged), time.monotonic() + _HISTORY_S
        while True:
            found: set[str] = set()
            for path in part_files(self._up.installation.history_dir, EVENTS):
                found.update(pq.read_table(path, columns=["event_id"]).column("event_id").to_pylist())
            if wanted <= found or time.monotonic() > deadline:
                return len(wanted - found)
            time.sleep(0.5)


def _figures(told: dict[str, Any], broken_s: float) -> dict[str, Any]:
    """Return the figures of one drill.

    Args:
        told: by the load process.
        broken_s: from the beginning to when something broke, or, where it was broken for a while, to when it was not.
    """
    load, bad = told["load"], told["bad_at"]
    slates = load["kinds"].get(SLATE, {"requests": 0, "failed": 0})
    asked = max(1, slates["requests"])
    at_once = slates["failed"] + load["repeats"] - load["repeats_failed"]
    unwell = [moment for kind in ("failed", "degraded") for moment in bad[kind] if moment >= broken_s]
    clicks = load["kinds"].get(CLICK, {"requests": 0, "failed": 0})
    return {
        "requests": slates["requests"],
        "answered_ratio": round(1 - slates["failed"] / asked, 5),
        "answered_ratio_without_retry": round(1 - at_once / asked, 5),
        "sent_again": load["repeats"],
        "degraded_ratio": slates.get("degraded_ratio", 0.0),
        "answered_by": slates.get("answered_by", {}),
        "fallbacks": told["fallbacks"],
        "recovery_s": round(max(unwell, default=broken_s) - broken_s, 2),
        "p50_ms": slates.get("p50_ms"),
        "p99_ms": slates.get("p99_ms"),
        "max_ms": slates.get("max_ms"),
        "clicks": clicks["requests"],
        "clicks_refused": clicks["failed"],
        "clicks_recovery_s": round(
            max((m for m in bad["click failed"] if m >= broken_s), default=broken_s) - broken_s, 2
        ),
        "problems": load["problems"],
        "events_acknowledged": len(told["acknowledged"]),
    }


def _verdict(told: dict[str, Any], lost: int) -> dict[str, Any]:
    slates = told["load"]["kinds"].get(SLATE, {"requests": 0, "failed": 0})
    enough = slates["requests"] > 0 and slates["failed"] <= (1 - _ANSWERED) * slates["requests"]
    return {"met": enough and lost == 0}


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))

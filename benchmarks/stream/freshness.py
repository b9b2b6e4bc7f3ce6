"""How soon an acknowledged event can be read from the feature store: real API, real flow, paced load.

Load comes in an open loop: each request leaves at its time, whether or not those before it have been answered. Fifty
events a second are markers, each of a shopper never seen before; a reader in another process looks every few
milliseconds whether the shopper's rows are there.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import msgspec

from benchmarks.stream.children import ChildFailed, Children, python, wait_until
from benchmarks.stream.load import Load, run_load
from benchmarks.stream.place import Place, free_port
from benchmarks.stream.progress import Section

_READY_S = 120.0
_WARM_UP_S = 5.0
_WARM_UP_RATE = 500
_LEAD_S = 0.5
"""From the plan to its first request, so that the reader has it too."""
_PATIENCE_S = 60.0


def measure(
    place: Place,
    children: Children,
    events: Iterator[dict[str, Any]],
    section: Section,
    report: Path,
    *,
    rates: list[int],
    seconds: float,
) -> dict[str, Any]:
    """Return for each rate the milliseconds from the acknowledgement until the features could be read.

    Args:
        place: where; all that is in it is lost.
        children: ends the processes.
        events: what is sent, besides the markers.
        section: shows how far it is.
        report: file for what the worker measures.
        rates: events per second.
        seconds: how long each rate is held.

    Raises:
        ChildFailed: a process fails.
    """
    place.reset()
    section.say("starts the API, the flow and the reader")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    children.start("api", python("-m", "api"), place.environment(port=str(port), dev="true"))
    worker = place.start_worker(report, until_drained=False)
    reader = children.start("reader", python("-m", "benchmarks.stream.reader"), place.environment(), talk=True)
    wait_until(lambda: _is_ready(url), _READY_S, "api: to be ready")
    wait_until(lambda: place.worker_is_up(worker), _READY_S, "worker: to take snapshots")
    _answer(reader)
    section.say("warms up")
    _round(Load("warm-up", url, min(_WARM_UP_RATE, *rates), min(_WARM_UP_S, seconds)), events, reader)
    results = {}
    for rate in rates:
        section.say(f"{rate:,} events/s for {seconds:g} s")
        results[str(rate)] = _round(Load(f"at-{rate}", url, rate, seconds), events, reader)
    place.stop_worker(worker)
    measured: dict[str, Any] = msgspec.json.decode(report.read_bytes()) if report.exists() else {}
    return {"rates": results, "worker_cpu_s": measured.get("cpu_s"), "peak_rss_mb": measured.get("peak_rss_mb")}


def _round(load: Load, events: Iterator[dict[str, Any]], reader: subprocess.Popen[bytes]) -> dict[str, Any]:
    begins = time.monotonic() + _LEAD_S
    plan = {"label": load.label, "begins": begins, "markers": load.markers, "patience_s": _PATIENCE_S}
    _tell(reader, {**plan, "every_s": load.every_s, "seconds": load.seconds})
    sent = run_load(load, events, begins)
    seen = _answer(reader)
    waits = sorted(
        1_000 * max(0.0, seen["seen"][marker] - acknowledged)
        for marker, acknowledged in sent.acknowledged.items()
        if marker in seen["seen"]
    )
    if len(waits) < 2:
        raise ChildFailed(f"freshness: markers must become readable; got {len(waits)} of {len(sent.acknowledged)}")
    percentiles = quantiles(waits, n=100, method="inclusive")
    return {
        "p50": round(percentiles[49], 1),
        "p99": round(percentiles[98], 1),
        "max": round(waits[-1], 1),
        "markers": len(waits),
        "markers_unseen": len(sent.acknowledged) - len(waits),
        "markers_read_through_feast": seen["verified"],
        "events_sent": sent.events,
        "events_acknowledged_per_second": round(sent.accepted / load.seconds, 1),
        "events_refused": sent.events - sent.accepted,
        "post_ms_p50": round(sent.post_ms[len(sent.post_ms) // 2], 1),
        "post_ms_max": round(sent.post_ms[-1], 1),
        "posts_late_ms_max": round(sent.late_ms_max, 1),
        "polls_ms_max": round(seen["polls_ms_max"], 1),
    }


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health/ready", timeout=5.0, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _tell(reader: subprocess.Popen[bytes], plan: dict[str, Any]) -> None:
    if reader.stdin is None:
        raise ChildFailed("reader: must have a pipe to be told by")
    reader.stdin.write(msgspec.json.encode(plan) + b"\n")
    reader.stdin.flush()


def _answer(reader: subprocess.Popen[bytes]) -> dict[str, Any]:
    line = reader.stdout.readline() if reader.stdout else b""
    if not line:
        raise ChildFailed("reader: ended early; its log says why")
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer

"""Where the time of a flow goes: microseconds per event by part."""

from __future__ import annotations

from typing import Any

from benchmarks.stream.timing import MAPPER, SNAPSHOT, SOURCE

_BYTEWAX, _THREADS, _ROUTING = "Bytewax itself", "other threads", "between the steps"
_SMALL = 0.01
"""Mappers with less of the CPU than this are counted together: they only sort and pick."""
_STEP_SNAPSHOTS = "snapshots of the steps' state"


def profile_of(measured: dict[str, Any]) -> dict[str, Any]:
    """Return CPU and waiting of each part per event [us], the largest first, and its share of all CPU.

    Waiting is the rest of the time that a part takes: for Redis, for the disk, or for a processor.

    Args:
        measured: a report of `timing.Timers`, with the number of events.
    """
    events, cpu_s = measured["events"], measured["cpu_s"]
    groups: dict[str, list[float]] = {}
    for name, part in measured["parts"].items():
        group = groups.setdefault(_group(name, part, cpu_s), [0.0, 0.0])
        group[0] += part["cpu_s"]
        group[1] += max(0.0, part["wall_s"] - part["cpu_s"])
    groups[_BYTEWAX] = [measured["bytewax_cpu_s"], 0.0]
    groups[_THREADS] = [measured["threads_cpu_s"], 0.0]
    ordered = sorted(groups.items(), key=lambda item: sum(item[1]), reverse=True)
    return {
        "events": events,
        "events_per_second": round(events / measured["wall_s"], 1),
        "cpu_us_per_event": round(1e6 * cpu_s / events, 2),
        "wall_us_per_event": round(1e6 * measured["wall_s"] / events, 2),
        "parts": [
            {
                "part": name,
                "cpu_us_per_event": round(1e6 * cpu / events, 2),
                "waiting_us_per_event": round(1e6 * waiting / events, 2),
                "cpu_share": round(cpu / cpu_s, 4) if cpu_s else 0.0,
            }
            for name, (cpu, waiting) in ordered
        ],
        "steps": {
            name: {"cpu_us_per_event": round(1e6 * part["cpu_s"] / events, 3), "calls": part["calls"]}
            for name, part in sorted(measured["parts"].items())
        },
        "functions": measured.get("functions", []),
    }


def _group(name: str, part: dict[str, Any], cpu_s: float) -> str:
    if part["kind"] == SOURCE:
        return "source"
    if part["kind"] == SNAPSHOT:
        return _STEP_SNAPSHOTS
    if part["kind"] == MAPPER and part["cpu_s"] < _SMALL * cpu_s:
        return _ROUTING
    return name

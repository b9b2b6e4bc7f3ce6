"""From the event log to Feast on Redis: real log, real feature flow, one worker, recovery on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.stream.children import Children
from benchmarks.stream.place import CONSUMER, Place
from benchmarks.stream.progress import Section
from recommender.eventlog import LogRecord, LogUnavailable

_LIMIT_S = 3_600.0


def measure(
    place: Place,
    children: Children,
    records: list[LogRecord],
    section: Section,
    report: Path,
    *,
    event_log: str | None = None,
    profile: bool = False,
) -> dict[str, Any]:
    """Fill the log, let one worker read it to its end, and return what it took.

    Args:
        place: where; all that is in it is lost.
        children: ends the worker.
        records: the events.
        section: shows how far it is.
        report: file for what the worker measures.
        event_log: address of another event log than the place's Redis.
        profile: also the time of each part.

    Raises:
        ChildFailed: the worker fails, or leaves something unread.
    """
    place.reset(event_log)
    section.say("fills the event log", total=len(records))
    place.fill(records, section.reached)
    log = place.log()
    # A log that others use too, such as topics of a Kafka, may hold more than these events.
    ends = log.ends()
    total = sum(ends.values())
    section.say("streams", total=total)

    def look() -> None:
        with suppress(LogUnavailable):  # busy for a moment; it is only for the display
            section.reached(total - log.lag(CONSUMER, ends))

    try:
        worker = place.start_worker(report, until_drained=True, profile=profile)
        children.wait("worker", worker, _LIMIT_S, look)
    finally:
        log.close()
    place.require_drained()
    place.drop_log()
    measured: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    return {
        "event_log": "kafka" if event_log else "redis",
        "events": total,
        "events_per_second": total / measured["wall_s"],
        **measured,
        "redis": place.redis_info(),
    }

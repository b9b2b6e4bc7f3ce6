"""``liveshelf replay``: send the events of a data set through the API, as fast as it goes or as it happened."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import orjson

from cli.dataset import open_dataset
from cli.event_sender import ApiRefused, ApiUnavailable, EventSender
from cli.load_display import LoadDisplay, conclude
from cli.load_report import DONE, FAILED, INTERRUPTED, LoadReport, limited
from cli.own_api import own_api
from cli.problem import WRONG_USE, Problem, read_settings, tell
from recommender.installation import Installation
from recommender.loaders import LoadedEvent, Loader, LoaderError

MOST_EVENTS = 1_000
MOST_BYTES = 1_000_000
"""Of one request; the API takes 1 MiB."""
_SHORTEST_WAIT_S = 0.05


class Pace:
    """When each event is due, if event time runs ``factor`` times faster than the clock.

    Args:
        factor: 1 for as it happened.
        clock: seconds that never go back.
    """

    def __init__(self, factor: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._factor = factor
        self._clock = clock
        self._start: tuple[float, float] | None = None

    def wait_s(self, event_time: object) -> float:
        """Return how long to wait before the event; 0 for an event in the past, or whose time cannot be read."""
        try:
            moment = datetime.fromisoformat(str(event_time)).timestamp()
        except ValueError:
            return 0.0
        if self._start is None:
            self._start = (self._clock(), moment)
        began, first = self._start
        return max(0.0, began + (moment - first) / self._factor - self._clock())


class Batches:
    """Gathers events and sends them, in order, when a request is full or must not wait."""

    def __init__(self, sender: EventSender, report: LoadReport) -> None:
        self._sender = sender
        self._report = report
        self._events: list[LoadedEvent] = []
        self._payloads: list[bytes] = []
        self._bytes = 0

    def add(self, loaded: LoadedEvent) -> None:
        """Add an event."""
        payload = orjson.dumps(loaded.event)
        if len(self._events) == MOST_EVENTS or self._bytes + len(payload) + 1 > MOST_BYTES:
            self.flush()
        self._events.append(loaded)
        self._payloads.append(payload)
        self._bytes += len(payload) + 1

    def flush(self) -> None:
        """Send what was gathered."""
        if not self._events:
            return
        results = self._sender.send(self._payloads)
        for loaded, reason in zip(self._events, results, strict=True):
            self._report.settle(loaded, reason)
        self._events, self._payloads, self._bytes = [], [], 0


def run(
    dataset: str,
    file: Path,
    url: str | None,
    speed: str,
    limit: int | None,
    as_json: bool,
    api_key: str | None = None,
    data_dir: Path | None = None,
) -> int:
    """Replay a data set; print the summary on standard output, progress and errors on standard error."""
    factor = speed_factor(speed)
    loader = open_dataset(dataset, file)
    settings = read_settings(data_dir=data_dir)
    rejects_dir = Installation(settings.data_dir).rejects_dir
    url, key = own_api(settings, url, api_key)
    code = DONE
    with LoadReport(dataset, file, rejects_dir) as report, sigterm_interrupts():
        try:
            with LoadDisplay(loader, report) as display, EventSender(url, display.say, key) as sender:
                _replay(loader, limit, Pace(factor) if factor else None, Batches(sender, report), report, display)
        except (LoaderError, ApiUnavailable, ApiRefused) as error:
            code = tell(error) or FAILED
        except KeyboardInterrupt:
            code = INTERRUPTED
    return conclude(report, code, as_json)


def _replay(
    loader: Loader, limit: int | None, pace: Pace | None, batches: Batches, report: LoadReport, display: LoadDisplay
) -> None:
    try:
        for loaded in limited(iter(loader), limit):
            display.update()
            if not report.read(loaded) or not isinstance(loaded, LoadedEvent):
                continue
            if pace and not loaded.beside:
                wait_s = pace.wait_s(loaded.event.get("event_time"))
                if wait_s > _SHORTEST_WAIT_S:
                    batches.flush()
                    time.sleep(pace.wait_s(loaded.event.get("event_time")))
            batches.add(loaded)
    except LoaderError:
        batches.flush()  # what stood before the damage is whole
        raise
    batches.flush()


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let SIGTERM do what Ctrl-C does, for the while."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def speed_factor(speed: str) -> float | None:
    """Return how many times faster than it happened, or None for as fast as it goes.

    Raises:
        Problem: neither ``max`` nor a positive number.
    """
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = math.nan
    if not (math.isfinite(factor) and factor > 0):
        raise Problem(f"--speed: must be max or a positive number; got {speed!r}", WRONG_USE)
    return factor

"""``liveshelf import``: load history in bulk, straight into the event log, and wait until the stream has read it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import orjson
import tenacity

from cli.dataset import open_dataset
from cli.load_display import LoadDisplay, conclude
from cli.load_report import DONE, FAILED, INTERRUPTED, LoadReport, limited
from cli.problem import Problem, read_settings, tell
from cli.processes import LEARNER, api_names, service_processes
from cli.supervision import StopRequest, Supervisor
from cli.up import make_recovery_store
from recommender.embedded_redis import redis_of
from recommender.eventlog import EventLog, LogRecord, LogUnavailable, open_event_log, record_of
from recommender.events import InvalidEvent, decode_event, refuse_future
from recommender.folder_lock import lock_folder
from recommender.installation import Installation
from recommender.loaders import LoadedEvent, Loader, LoaderError
from recommender.settings import Settings

_CONSUMER = "features"
_PURPOSE = "liveshelf import"
_BATCH_EVENTS = 2_000
_MOST_WAITING = 200_000
"""Events that may wait in the log, so that a long history does not fill the memory of Redis [count]."""
_LOOK_EVERY_S = 0.25
_STANDSTILL_S = 300.0
_GIVE_UP_AFTER_S = 60.0


def run(data_dir: Path | None, dataset: str, file: Path, limit: int | None, as_json: bool) -> int:
    """Import a data set; print the summary on standard output, progress and errors on standard error."""
    settings = read_settings(data_dir=data_dir)
    installation = Installation(settings.data_dir)
    settings = settings.model_copy(update={"data_dir": installation.data_dir})
    loader = open_dataset(dataset, file)
    stop = StopRequest()
    code, drained = DONE, False
    with LoadReport(dataset, file, installation.rejects_dir) as report, interrupt_asks(stop):
        try:
            with LoadDisplay(loader, report) as display:
                feed = Feed(loader, limit, report, display, stop)
                drained = _import(settings, installation, feed)
                code = FAILED if feed.damaged else DONE
        except (LoaderError, LogUnavailable, Problem) as error:
            code = tell(error) or FAILED
        if code == DONE and feed.interrupted:
            code = INTERRUPTED
    return conclude(report, code, as_json, drained)


class Feed:
    """Puts the events of a loader into a log, and sees that the stream reads them.

    Args:
        loader: where the events come from.
        limit: how many rows at most.
        report: counts what becomes of them.
        display: shows how far it is.
        stop: ends it early.
    """

    def __init__(
        self, loader: Loader, limit: int | None, report: LoadReport, display: LoadDisplay, stop: StopRequest
    ) -> None:
        self._loader = loader
        self._limit = limit
        self._report = report
        self._batches = self._read_batches()
        self.display = display
        self.stop = stop
        self.interrupted = False
        """Whether it ended before its time because it was asked to."""
        self.damaged = False
        """Whether a file could not be read to its end."""

    def read_ahead(self) -> bool:
        """Read as far as the first valid events; return whether there are any to append.

        Raises:
            LoaderError: a file cannot be read that far.
        """
        first = next(self._batches, None)
        if first is None or self.interrupted:
            return False
        self._batches = chain([first], self._batches)
        return True

    def run(self, log: EventLog) -> bool:
        """Append all that is valid; return whether the stream has read it.

        A file that cannot be read on is told; what stood before is appended and waited for nevertheless.

        Raises:
            LogUnavailable: the log has not answered for a minute.
            Problem: the stream does not get on.
        """
        try:
            self._append_all(log)
        except LoaderError as error:
            self.damaged = True
            tell(error)
        return self._wait(log, most=0)

    def _append_all(self, log: EventLog) -> None:
        append = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(LogUnavailable),
            wait=tenacity.wait_exponential(multiplier=0.1, max=5.0),
            stop=tenacity.stop_after_delay(_GIVE_UP_AFTER_S),
            reraise=True,
        ).wraps(log.append)  # the ids make it safe: what got through twice is counted once
        appended = 0
        for batch in self._batches:
            append([record for _, record in batch])
            for loaded, _ in batch:
                self._report.settle(loaded, None)
            appended += len(batch)
            if appended >= _MOST_WAITING // 2:
                self._wait(log, most=_MOST_WAITING // 2)
                appended = 0

    def _read_batches(self) -> Iterator[list[tuple[LoadedEvent, LogRecord]]]:
        batch: list[tuple[LoadedEvent, LogRecord]] = []
        now = datetime.now(UTC)
        try:
            for loaded in limited(iter(self._loader), self._limit):
                self.display.update()
                if self.stop.wanted:
                    self.interrupted = True
                    break
                if not self._report.read(loaded) or not isinstance(loaded, LoadedEvent):
                    continue
                try:
                    event = decode_event(orjson.dumps(loaded.event))
                    refuse_future(event, now)
                except InvalidEvent as error:
                    self._report.settle(loaded, str(error))
                    continue
                batch.append((loaded, record_of(event)))
                if len(batch) == _BATCH_EVENTS:
                    yield batch
                    batch, now = [], datetime.now(UTC)
        except LoaderError:
            if batch:
                yield batch  # what stood before the damage is whole
            raise
        if batch:
            yield batch

    def _wait(self, log: EventLog, most: int) -> bool:
        """Wait until no more than ``most`` of the events now in the log are unread; return whether it came so.

        What others append meanwhile is not waited for, or live traffic would keep it from ever ending.
        """
        ends = log.ends()
        least, moved_at = log.lag(_CONSUMER, ends), time.monotonic()
        waiting = least
        while waiting > most:
            if self.stop.wanted:
                self.interrupted = True
                return False
            if time.monotonic() - moved_at > _STANDSTILL_S:
                raise Problem(f"import: the stream has read nothing for {_STANDSTILL_S:.0f} s; got {waiting} unread")
            self.display.update(f"{waiting:,} unread")
            time.sleep(_LOOK_EVERY_S)
            waiting = log.lag(_CONSUMER, ends)
            if waiting < least:
                least, moved_at = waiting, time.monotonic()
        return True


def _import(settings: Settings, installation: Installation, feed: Feed) -> bool:
    if not feed.read_ahead():
        return not feed.interrupted
    with ExitStack() as stack:
        runs = installation.run_record() is not None
        if settings.redis_url and not runs:
            stack.enter_context(lock_folder(installation.data_dir, _PURPOSE))
        redis_url = stack.enter_context(redis_of(settings, _PURPOSE))
        log = open_event_log(settings.model_copy(update={"redis_url": redis_url}))
        stack.callback(log.close)
        return feed.run(log) if runs else _run_with_stream(settings, installation, redis_url, log, feed)


def _run_with_stream(settings: Settings, installation: Installation, redis_url: str, log: EventLog, feed: Feed) -> bool:
    """Feed a stopped installation: run its dataflow for the while, and nothing else of it."""
    make_recovery_store(installation)
    others = (*api_names(settings), LEARNER)
    specs = [spec for spec in service_processes(settings, redis_url, embedded=False) if spec.name not in others]
    stream = Supervisor(specs, installation.logs_dir, lambda name, line: feed.display.say(f"{name}: {line}"))
    fed = StopRequest()

    # The processes belong to the thread that starts them, so it is the feed that goes into another one.
    with ThreadPoolExecutor(1, "feed") as threads:
        feeding = threads.submit(feed.run, log)
        feeding.add_done_callback(fed.ask)
        try:
            code = stream.run(fed, on_up=lambda: None, on_pids=lambda pids: None)
        finally:
            feed.stop.ask()  # it has ended by itself, unless the dataflow did before
    if code != 0:
        raise Problem(f"import: the dataflow must run; see {installation.logs_dir}")
    return feeding.result()


@contextmanager
def interrupt_asks(stop: StopRequest) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM ask to stop, for the while."""
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

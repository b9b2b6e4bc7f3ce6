"""Events on their way to the API, in the background and many at a time."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import tenacity

from liveshelf_client.answers import EventResults
from liveshelf_client.calls import checked, decoded, headers_of
from liveshelf_client.errors import LiveshelfError, RefusedRequest
from liveshelf_client.retries import Patience

_JSON = {"content-type": "application/json"}
_ALL_REJECTED, _TOO_LARGE = 422, 413
_SHOWN = 3
_log = logging.getLogger(__name__)


class BufferFull(LiveshelfError):
    """More events wait than the buffer holds; this one was not taken."""


class EventsNotSent(LiveshelfError):
    """Some events did not get to the API, or were refused by it."""

    def __init__(self, failures: list[tuple[bytes, str]]) -> None:
        reasons = "; ".join(list(dict.fromkeys(reason for _, reason in failures))[:_SHOWN])
        super().__init__(f"{len(failures)} events not sent: {reasons}")
        self.failures = failures
        """Of each event its JSON and the reason."""


OnError = Callable[[EventsNotSent], None]


class EventBuffer:
    """Takes events at once and sends them from a thread of its own, in order, tried again with the same ids.

    Args:
        url: address of the API.
        key: the API key to show.
        most_events: in one request; as soon as so many wait, they are sent.
        every_s: how long an event waits for others at most.
        holds: events that may wait; further ones are not taken.
        timeout_s: how long one try may take.
        give_up_after_s: for how long an API that does not answer, or says to come again later, is tried.
        on_error: is told of events that could not be sent; without it ``flush`` and ``close`` raise.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        most_events: int = 200,
        every_s: float = 0.5,
        holds: int = 10_000,
        timeout_s: float = 5.0,
        give_up_after_s: float = 60.0,
        on_error: OnError | None = None,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=headers_of(key) | _JSON)
        self._again = tenacity.Retrying(
            **Patience(1_000, give_up_after_s).policy() | {"sleep": self._sleep}  # until given up, or closed in a hurry
        )
        self._most, self._every_s, self._holds = most_events, every_s, holds
        self._on_error = on_error
        self._waiting: deque[bytes] = deque()
        self._under_way = 0
        self._failures: list[tuple[bytes, str]] = []
        self._changed = threading.Condition()
        self._flushes = 0
        """Callers who wait for everything to be sent."""
        self._closing = False
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveshelf-events", daemon=True)
        self._thread.start()

    def add(self, kind: str, **event: Any) -> str:
        """Take an event and return its id, at once. Without ``event_id`` and ``event_time`` it gets them.

        Raises:
            BufferFull: too many wait already.
            LiveshelfError: the buffer is closed.
        """
        event_id = str(event.setdefault("event_id", uuid.uuid4().hex))
        event.setdefault("event_time", datetime.now(UTC))
        encoded = msgspec.json.encode({"kind": kind, **event})
        with self._changed:
            if self._closing:
                raise LiveshelfError("event buffer: must not be closed when an event comes")
            if len(self._waiting) + self._under_way >= self._holds:
                raise BufferFull(f"event buffer: must hold at most {self._holds} events that wait; got one more")
            self._waiting.append(encoded)
            if len(self._waiting) in (1, self._most):
                self._changed.notify_all()
        return event_id

    def __len__(self) -> int:
        """Return how many events have not been sent yet."""
        with self._changed:
            return len(self._waiting) + self._under_way

    def flush(self, timeout_s: float | None = None) -> None:
        """Send what waits, and wait until that is done.

        Raises:
            EventsNotSent: some could not be sent, since the last flush.
            TimeoutError: it takes longer.
        """
        with self._changed:
            self._flushes += 1
            self._changed.notify_all()
            try:
                if not self._changed.wait_for(lambda: not self._waiting and not self._under_way, timeout_s):
                    raise TimeoutError(f"event buffer: must be sent within {timeout_s} s; {len(self._waiting)} wait")
            finally:
                self._flushes -= 1
        self._raise_failures()

    def close(self, timeout_s: float = 10.0) -> None:
        """Send what waits, for so long at most; what is left then counts as not sent.

        Raises:
            EventsNotSent: some could not be sent, since the last flush.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._hurry.set()
            self._thread.join()
        self._http.close()
        self._raise_failures()

    def _raise_failures(self) -> None:
        with self._changed:
            failures, self._failures = self._failures, []
        if failures:
            raise EventsNotSent(failures)

    def _run(self) -> None:
        while batch := self._next_batch():
            failures = self._failures_of(batch)
            if failures:
                self._tell(failures)
            with self._changed:
                self._under_way = 0
                self._changed.notify_all()

    def _next_batch(self) -> list[bytes]:
        """Wait for events and return them; none once the buffer is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            due = time.monotonic() + self._every_s
            self._changed.wait_for(
                lambda: len(self._waiting) >= self._most or self._flushes or self._closing,
                max(0.0, due - time.monotonic()),
            )
            batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
            self._under_way = len(batch)
            return batch

    def _failures_of(self, batch: list[bytes]) -> list[tuple[bytes, str]]:
        if self._hurry.is_set():
            return [(event, "closed before it could be sent") for event in batch]
        try:
            response = self._again(self._post, batch)
            results = decoded(response, EventResults).results
            if len(results) != len(batch):  # of a request that was refused as a whole
                checked(response)
                raise RefusedRequest(response.status_code, "not_understood", "answer: must tell of each event")
        except RefusedRequest as error:
            if error.status == _TOO_LARGE and len(batch) > 1:
                middle = len(batch) // 2
                return self._failures_of(batch[:middle]) + self._failures_of(batch[middle:])
            return [(event, str(error)) for event in batch]
        except (LiveshelfError, httpx.TransportError) as error:
            return [(event, f"{type(error).__name__}: {error}") for event in batch]
        told = zip(batch, results, strict=True)
        return [(event, result.error or "refused") for event, result in told if result.status == "rejected"]

    def _post(self, batch: list[bytes]) -> httpx.Response:
        if self._hurry.is_set():
            raise LiveshelfError("closed before it could be sent")
        response = self._http.post("/v1/events", content=b"[" + b",".join(batch) + b"]")
        return response if response.status_code == _ALL_REJECTED else checked(response)

    def _sleep(self, seconds: float) -> None:
        self._hurry.wait(seconds)

    def _tell(self, failures: list[tuple[bytes, str]]) -> None:
        error = EventsNotSent(failures)
        if self._on_error is None:
            with self._changed:
                self._failures = [*self._failures, *failures][-self._holds :]
            _log.warning("%s", error)
            return
        try:
            self._on_error(error)
        except Exception:
            _log.exception("on_error of the event buffer failed")

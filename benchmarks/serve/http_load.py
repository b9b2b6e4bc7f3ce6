"""HTTP over many connections from one process, so lean that it can saturate a service that has a processor alone."""

from __future__ import annotations

import select
import socket
import time
from array import array
from collections import Counter, deque
from contextlib import suppress
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import numpy as np

_RECEIVE = 262_144
_GIVE_UP_S = 10.0
_OPEN_EVERY_S = 0.1
_LONGEST_WAIT_S = 0.05
_AGAIN_AFTER_S = 0.05
"""So that a process that is about to end has closed its port."""
_PERCENTILES = (50.0, 90.0, 99.0, 99.9)
_CACHE = b"x-cache: "
_ANSWERED_BY = b'"answered_by":"'


class Ask(NamedTuple):
    """One request to send."""

    kind: str
    """By which figures are kept apart."""
    data: bytes
    who: Any = None
    """Whatever the source wants back with the answer."""
    again: bool = False
    """Whether it is sent once more, over a new connection, when its connection breaks."""


class Source(Protocol):
    """Where requests come from."""

    def next(self) -> Ask | None:
        """Return the next request; None while there is none to send."""

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        """Take an answer (status 0: none came); return whether it is right."""


class Told:
    """What is known of the requests of one kind."""

    def __init__(self) -> None:
        self.ms = array("d")
        """From when each was due to the last byte of its answer."""
        self.failed = 0
        self.cache: Counter[str] = Counter()
        self.answered_by: Counter[str] = Counter()

    def figures(self) -> dict[str, Any]:
        """Return the figures."""
        hits, asked = self.cache["hit"], sum(self.cache.values())
        slates = sum(self.answered_by.values())
        degraded = slates - self.answered_by["live"] - self.answered_by["cached"]
        found: dict[str, Any] = {"requests": len(self.ms) + self.failed, "failed": self.failed} | percentiles(self.ms)
        if asked:
            found |= {"hit_ratio": round(hits / asked, 4), "cache": dict(self.cache)}
        if slates:
            found |= {"degraded_ratio": round(degraded / slates, 5), "answered_by": dict(self.answered_by)}
        return found

    def add(self, other: Told) -> None:
        """Take in what is known of others."""
        self.ms.extend(other.ms)
        self.failed += other.failed
        self.cache += other.cache
        self.answered_by += other.answered_by


def percentiles(ms: array[float]) -> dict[str, float]:
    """Return p50, p90, p99, p99.9 and the largest [ms]."""
    if not ms:
        return {}
    values = np.percentile(np.frombuffer(ms), [*_PERCENTILES, 100.0])
    names = [*(f"p{quantile:g}_ms" for quantile in _PERCENTILES), "max_ms"]
    return {name: round(float(value), 2) for name, value in zip(names, values, strict=True)}


class Connection:
    """One connection and the request that is under way on it."""

    __slots__ = ("ask", "due", "got", "missing", "repeated", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=_GIVE_UP_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ask: Ask | None = None
        self.due = 0.0
        self.got = b""
        self.missing = 0
        self.repeated = False

    def complete(self) -> tuple[int, bytes, bytes] | None:
        """Receive; return status, head and body once they are whole.

        Raises:
            OSError: the connection broke.
        """
        try:
            data = self.socket.recv(_RECEIVE, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionResetError("closed by the service")
        if self.missing > len(data):
            self.missing -= len(data)
            self.got += data
            return None
        got = self.got = self.got + data if self.got else data
        end = got.find(b"\r\n\r\n")
        if end < 0:
            return None
        place = got.find(b"content-length: ", 0, end)
        length = int(got[place + 16 : got.find(b"\r\n", place)]) if place >= 0 else 0
        self.missing = end + 4 + length - len(got)
        if self.missing > 0:
            return None
        self.got, self.missing = b"", 0
        return int(got[9:12]), got[:end], got[end + 4 :]


class HttpLoad:
    """Sends what a source gives, at a rate whether or not answers come, or as fast as they come over connections.

    Args:
        url: address of the service.
        source: gives the requests.
        connections: most requests under way at once.
    """

    def __init__(self, url: str, source: Source, connections: int) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._source = source
        self._poll = select.epoll()
        self._free: deque[Connection] = deque()
        self._busy: dict[int, Connection] = {}
        self._connections = connections
        self.told: dict[str, Told] = {}
        self.problems: Counter[str] = Counter()
        self._again: deque[tuple[float, Ask, float]] = deque()
        """When to send it once more, what, and when it had been due."""
        self.repeats = self.repeats_failed = 0
        """Requests that were sent once more since their connection broke, and those of them that failed then too."""
        self.late_ms = array("d")

    def run(self, seconds: float, rate: float | None, begins: float | None = None) -> dict[str, Any]:
        """Send for some seconds and return the figures; without a rate as fast as answers come."""
        begins = time.monotonic() if begins is None else begins
        ends, number, open_at = begins + seconds, 0, 0.0
        step = 1.0 / rate if rate else 0.0
        while True:
            now = time.monotonic()
            if now >= open_at:
                self._open_missing()
                open_at = now + _OPEN_EVERY_S
            while self._again and self._free and self._again[0][0] <= now:
                _, ask, due = self._again.popleft()
                self._send(ask, due, now, repeated=True)
            idle = False
            while self._free and number * step + begins <= now < ends:
                following = self._source.next()
                if following is None:
                    idle = True
                    break
                due = begins + number * step if rate else now
                number += 1
                self._send(following, due, now)
                now = time.monotonic()
            if now >= ends and (not (self._busy or self._again) or now > ends + _GIVE_UP_S):
                break
            wait = _LONGEST_WAIT_S
            if rate and self._free and not idle and now < ends:
                wait = min(wait, max(0.0, begins + number * step - now))
            if select.select([self._poll], [], [], wait)[0]:
                for handle, _ in self._poll.poll(0, 256):
                    self._receive(self._busy.get(handle), handle)
        for connection in list(self._busy.values()):
            self._fail(connection, "no answer", time.monotonic())
        for _, ask, _ in self._again:
            self._tell_failed(ask, "no connection", time.monotonic())
        return self._figures(time.monotonic() - begins if rate is None else seconds, rate, number)

    def _figures(self, seconds: float, rate: float | None, sent: int) -> dict[str, Any]:
        all_kinds = Told()
        for told in self.told.values():
            all_kinds.add(told)
        late = percentiles(self.late_ms)
        return {
            "loop": "closed" if rate is None else "open",
            "rate": rate,
            "connections": self._connections,
            "seconds": round(seconds, 2),
            "sent": sent,
            "unsent": max(0, round((rate or 0.0) * seconds) - sent),
            "requests_per_second": round(len(all_kinds.ms) / seconds, 1),
            **all_kinds.figures(),
            "kinds": {kind: told.figures() for kind, told in sorted(self.told.items())},
            "problems": dict(self.problems),
            "repeats": self.repeats,
            "repeats_failed": self.repeats_failed,
            "left_late_ms_p99": late.get("p99_ms"),
        }

    def close(self) -> None:
        """Close all connections."""
        for connection in (*self._free, *self._busy.values()):
            connection.socket.close()
        self._poll.close()

    def _open_missing(self) -> None:
        """Open what is missing, as far as the service accepts it."""
        with suppress(OSError):
            while len(self._free) + len(self._busy) < self._connections:
                self._open()

    def _open(self) -> Connection:
        connection = Connection(self._address)
        self._poll.register(connection.socket, select.EPOLLIN)
        self._free.append(connection)
        return connection

    def _send(self, ask: Ask, due: float, now: float, *, repeated: bool = False) -> None:
        connection = self._free.popleft()
        connection.ask, connection.due, connection.repeated = ask, due, repeated
        if not repeated:
            self.late_ms.append(1_000 * (now - due))
        self._busy[connection.socket.fileno()] = connection
        try:
            connection.socket.sendall(ask.data)
        except OSError as error:
            self._broken(connection, error)

    def _receive(self, connection: Connection | None, handle: int) -> None:
        if connection is None or connection.ask is None:  # closed by the service while nothing was under way
            idle = next((each for each in self._free if each.socket.fileno() == handle), None)
            if idle is not None:
                self._free.remove(idle)
                self._replace(idle)
            return
        try:
            found = connection.complete()
        except OSError as error:
            self._broken(connection, error)
            return
        if found is None:
            return
        ended = time.monotonic()
        status, head, body = found
        ask = connection.ask
        told = self.told.get(ask.kind) or self.told.setdefault(ask.kind, Told())
        place = head.find(_CACHE)
        if place >= 0:
            told.cache[head[place + 9 : place + 15].partition(b"\r")[0].decode()] += 1
        place = body.rfind(_ANSWERED_BY)
        if place >= 0:
            told.answered_by[body[place + 15 : body.find(b'"', place + 15)].decode()] += 1
        if self._source.answered(ask, status, body, ended):
            told.ms.append(1_000 * (ended - connection.due))
        else:
            told.failed += 1
            self.problems[f"{ask.kind}: status {status}"] += 1
        connection.ask = None
        del self._busy[handle]
        self._free.append(connection)

    def _broken(self, connection: Connection, error: OSError) -> None:
        """Have it sent once more, if it may be; else it has failed."""
        ask = connection.ask
        if ask is None or not ask.again or connection.repeated:
            self._fail(connection, type(error).__name__, time.monotonic())
            return
        self.repeats += 1
        self._again.append((time.monotonic() + _AGAIN_AFTER_S, ask, connection.due))
        self._busy.pop(connection.socket.fileno(), None)
        self._replace(connection)

    def _fail(self, connection: Connection, reason: str, now: float) -> None:
        ask = connection.ask
        self._busy.pop(connection.socket.fileno(), None)
        self._replace(connection)
        if ask is None:
            return
        self.repeats_failed += connection.repeated
        self._tell_failed(ask, reason, now)

    def _tell_failed(self, ask: Ask, reason: str, now: float) -> None:
        told = self.told.get(ask.kind) or self.told.setdefault(ask.kind, Told())
        told.failed += 1
        self.problems[f"{ask.kind}: {reason}"] += 1
        self._source.answered(ask, 0, b"", now)

    def _replace(self, connection: Connection) -> Connection | None:
        with suppress(OSError):
            self._poll.unregister(connection.socket)
        connection.socket.close()
        try:
            return self._open()
        except OSError:
            return None

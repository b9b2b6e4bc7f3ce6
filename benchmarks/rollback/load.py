"""Requests at a steady rate, whether or not those before have been answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

import orjson

_CONNECTIONS = 100
_GIVE_UP_S = 10.0
_N = 20


class Answered(NamedTuple):
    """One request; moments are of the monotonic clock [s]."""

    due: float
    ended: float
    problem: str | None
    """Why it counts as failed."""
    version: str | None = None
    """The model version that its answer names."""
    took_ms: float = 0.0
    """What the service says that it took."""

    @property
    def ms(self) -> float:
        """From when it was due, though it may have left later, to its answer."""
        return 1_000 * (self.ended - self.due)


class Load:
    """Asks for slates, each for another session of the shop.

    It speaks HTTP by itself over connections that it keeps: a whole client would use as much of the processor as the
    service does.
    """

    def __init__(self, url: str, rate: int, sessions: Iterable[str]) -> None:
        self._address = urlsplit(url)
        self._rate = rate
        self._requests = [self._request(session) for session in sessions]
        self._free: asyncio.LifoQueue[_Connection] = asyncio.LifoQueue()
        self.answered: list[Answered] = []
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Send until stopped, then wait for all answers."""
        host, port = self._address.hostname or "", self._address.port or 80
        for _ in range(_CONNECTIONS):
            self._free.put_nowait(_Connection(host, port))
        begins = time.monotonic()
        async with asyncio.TaskGroup() as asking:
            number = 0
            while not self.stopped.is_set():
                due = begins + number / self._rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                asking.create_task(self._ask(due, self._requests[number % len(self._requests)]))
                number += 1
        while not self._free.empty():
            self._free.get_nowait().close()

    async def _ask(self, due: float, request: bytes) -> None:
        connection = await self._free.get()
        try:
            async with asyncio.timeout(_GIVE_UP_S):
                status, body = await connection.ask(request)
            self.answered.append(_judged(due, status, body))
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            connection.close()
            self.answered.append(Answered(due, time.monotonic(), type(error).__name__))
        finally:
            self._free.put_nowait(connection)

    def _request(self, session_id: str) -> bytes:
        body = orjson.dumps({"session_id": session_id, "n": _N})
        head = (
            f"POST /v1/recommendations HTTP/1.1\r\nhost: {self._address.netloc}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


class _Connection:
    """One connection, opened when it is needed; for one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split(b" ", 2)[1]), await reader.readexactly(length)

    def close(self) -> None:
        """Close it; the next request opens it anew."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _judged(due: float, status: int, body: bytes) -> Answered:
    ended = time.monotonic()
    if status != 200:
        return Answered(due, ended, f"status {status}")
    answer = orjson.loads(body)
    problem = None
    if len(answer["items"]) != _N:
        problem = f"{len(answer['items'])} items"
    elif answer["fallback"] is not None:
        problem = f"fallback {answer['fallback']}"
    return Answered(due, ended, problem, answer["model_version"], answer["took_ms"])

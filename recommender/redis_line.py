"""A connection to Redis that all requests of a process share: none waits for the answers to another.

redis-py gives each request a connection of its own, and spends several times as long on it as Redis on the answer.
It still makes the connection here, with its passwords, certificates and sentinels.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import hiredis
import redis
from redis.asyncio.connection import AbstractConnection

_MOST_UNSENT_BYTES = 16 * 2**20
_LOOK_EVERY_S = 0.25
_NOT_YET = object()
_CLOSED = "Redis has closed the connection"


class _Question(NamedTuple):
    answer: asyncio.Future[list[Any]]
    replies: list[Any]
    expected: int
    asked_at: float


class Line:
    """Sends questions one after the other and hands out the answers in the same order. Of one event loop.

    Args:
        make: returns a new connection, not yet connected.
        patience_s: the connection is given up, with all that is asked, once an answer takes longer.
    """

    def __init__(self, make: Callable[[], AbstractConnection], patience_s: float) -> None:
        self._make = make
        self._patience_s = patience_s
        self._open: _OpenLine | None = None
        self._opening: asyncio.Task[_OpenLine] | None = None

    async def ask(self, packed: bytes, answers: int) -> list[Any]:
        """Send commands and return the answer to each; errors that Redis gives are among them.

        Args:
            packed: the commands in Redis' protocol.
            answers: how many commands these are.

        Raises:
            redis.ConnectionError: Redis is not there, or went away before it had answered.
            redis.TimeoutError: it took too long.
        """
        line = self._open
        if line is None or line.lost:
            line = await self._connect()
        return await line.ask(packed, answers)

    def close(self) -> None:
        """Close the connection; in its event loop."""
        if self._open is not None:
            self._open.give_up(redis.ConnectionError("the connection to Redis was closed"))
            self._open = None

    async def _connect(self) -> _OpenLine:
        """Return a new connection; all who want one at the same time wait for the same."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._connect_anew())
        return await asyncio.shield(self._opening)

    async def _connect_anew(self) -> _OpenLine:
        connection = self._make()
        await connection.connect()  # type: ignore[no-untyped-call]
        self._open = _OpenLine(connection, self._patience_s)
        return self._open


class _OpenLine(asyncio.Protocol):
    """Takes the place of the protocol that the connection was made with."""

    def __init__(self, connection: Any, patience_s: float) -> None:
        self._connection = connection  # whose end would be the end of its transport
        self._transport: asyncio.Transport = connection._writer.transport
        self._patience_s = patience_s
        self._reader = hiredis.Reader(replyError=redis.ResponseError, notEnoughData=_NOT_YET)
        self._waiting: deque[_Question] = deque()
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._watch: asyncio.TimerHandle | None = None
        # What closed it before this took over tells nobody here of it.
        self.lost = self._transport.is_closing() or connection._reader.at_eof()
        self._transport.set_protocol(self)

    def ask(self, packed: bytes, answers: int) -> asyncio.Future[list[Any]]:
        if self.lost:
            raise redis.ConnectionError(_CLOSED)
        answer: asyncio.Future[list[Any]] = self._loop.create_future()
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            raise redis.TimeoutError("Redis does not take what is sent to it")
        self._waiting.append(_Question(answer, [], answers, self._loop.time()))
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(packed)
        if self._watch is None:
            self._watch = self._loop.call_later(_LOOK_EVERY_S, self._look)
        return answer

    def _send(self) -> None:
        """Send what was asked since the event loop last came round, all at once: the kernel's part costs the most."""
        unsent, self._unsent = self._unsent, []
        if not self.lost:
            self._transport.write(b"".join(unsent))

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not _NOT_YET:
            if isinstance(reply, hiredis.PushNotification) or not self._waiting:
                continue
            question = self._waiting[0]
            question.replies.append(reply)
            if len(question.replies) == question.expected:
                self._waiting.popleft()
                if not question.answer.done():  # who asked may have given up
                    question.answer.set_result(question.replies)

    def connection_lost(self, error: Exception | None) -> None:
        self._end(redis.ConnectionError(_CLOSED))

    def give_up(self, error: redis.RedisError) -> None:
        self._transport.abort()
        self._end(error)

    def _look(self) -> None:
        self._watch = None
        if not self._waiting:
            return
        if self._loop.time() - self._waiting[0].asked_at > self._patience_s:
            self.give_up(redis.TimeoutError(f"Redis has not answered within {self._patience_s:g} s"))
        else:
            self._watch = self._loop.call_later(_LOOK_EVERY_S, self._look)

    def _end(self, error: redis.RedisError) -> None:
        self.lost = True
        if self._watch is not None:
            self._watch.cancel()
        while self._waiting:
            question = self._waiting.popleft()
            if not question.answer.done():
                question.answer.set_exception(error)


def bulk(content: bytes) -> bytes:
    """Return a bulk string of Redis' protocol."""
    return b"$%d\r\n%b\r\n" % (len(content), content)


def pack(command: Sequence[bytes | str | int | float]) -> bytes:
    """Return a command in Redis' protocol."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"".join([b"*%d\r\n" % len(parts), *map(bulk, parts)])

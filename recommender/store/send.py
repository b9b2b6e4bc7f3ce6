"""Calls of a script, made straight in Redis' protocol: a list of all arguments would have fifty for each row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import redis

from recommender.features import FeatureRow
from recommender.redis_line import bulk
from recommender.store.wire import WireFormat


class WireCommand:
    """One call of a script, for several rows."""

    def __init__(self, script: str) -> None:
        self.script = script
        self._keys: list[bytes] = []
        self._arguments: list[bytes] = []
        self._parts = 3
        """Bulk strings of the command [count]."""

    def add(self, wire: WireFormat, row: FeatureRow) -> None:
        """Take a row."""
        encoded = wire.row(row)
        self._keys.append(encoded.key)
        self._arguments.append(encoded.arguments)
        self._parts += 1 + wire.arguments

    def packed(self) -> bytes:
        """Return the command as bytes."""
        name = hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest().encode()  # as Redis names it
        head = b"*%d\r\n" % self._parts + bulk(b"EVALSHA") + bulk(name) + bulk(b"%d" % len(self._keys))
        return b"".join([head, *self._keys, *self._arguments])


def send(client: redis.Redis, commands: Iterable[WireCommand]) -> None:
    """Send calls and wait for all answers: each as soon as it is there, so Redis works on one while the next is made.

    May be repeated: the scripts write absolute values.

    Raises:
        RedisError: Redis does not answer, or has refused a call; others may have been carried out.
    """
    scripts: set[str] = set()
    sent: list[bytes] = []

    def packed() -> Iterator[bytes]:
        for command in commands:
            scripts.add(command.script)
            sent.append(command.packed())
            yield sent[-1]

    try:
        _exchange(client, packed())
    except redis.exceptions.NoScriptError:
        for script in scripts:
            client.script_load(script)
        _exchange(client, sent)


def _exchange(client: redis.Redis, packed: Iterable[bytes]) -> None:
    connection: Any = client.connection_pool.get_connection()
    refused: list[redis.ResponseError] = []
    waiting = 0
    try:
        for command in packed:
            connection.send_packed_command([command])
            waiting += 1
        for _ in range(waiting):
            try:
                connection.read_response()
            except redis.ResponseError as error:
                refused.append(error)
    except BaseException:
        connection.disconnect()  # answers may still be on their way
        raise
    finally:
        client.connection_pool.release(connection)
    if refused:
        raise refused[0]

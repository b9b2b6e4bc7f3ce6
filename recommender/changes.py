"""Change notices: which entities have new feature rows, for those who hold copies of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import redis
import redis.asyncio

_STREAM = "liveshelf:changes"
_MOST_NOTICES = 100_000
_SEPARATOR = b"\n"
_BEGINNING = "0-0"
ERASED = "erased"
"""In the place of a view: the keys are a user and the user's sessions, all copies of whose data must go at once."""


HIDDEN = "hidden"
"""In the place of a view: the keys are users who have hidden items, or no longer do."""


class ChangeNotice(NamedTuple):
    """New rows of a feature view are readable."""

    position: str
    view: str
    keys: tuple[str, ...]


class ChangePublisher:
    """Sends notices; to be called once the rows are readable."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client

    def publish(self, view: str, keys: Iterable[str]) -> None:
        """Tell that these entities have new rows in this view."""
        self._redis.execute_command(*notice_command(view, keys))


def notice_command(view: str, keys: Iterable[str]) -> tuple[str | bytes | int, ...]:
    """Return the Redis command that sends a notice, for those who send it together with others."""
    body = _SEPARATOR.join(key.encode() for key in keys)
    return "XADD", _STREAM, "MAXLEN", "~", _MOST_NOTICES, "*", "view", view, "keys", body


class ChangeReader:
    """Receives notices, for asyncio."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis: Any = client

    async def last_position(self) -> str:
        """Return the position of the latest notice, to read on from later."""
        latest = await self._redis.xrevrange(_STREAM, count=1)
        return latest[0][0].decode() if latest else _BEGINNING

    async def holds(self, position: str) -> bool:
        """Tell whether all notices behind a position are still there: none trimmed, and no new, empty Redis."""
        try:
            stream = await self._redis.xinfo_stream(_STREAM)
        except redis.ResponseError:  # no such stream
            return position == _BEGINNING
        if _order(stream["last-generated-id"].decode()) < _order(position):
            return False
        first = stream["first-entry"]
        return first is None or position == _BEGINNING or _order(first[0].decode()) <= _order(position)

    async def read(self, after: str, wait_ms: int, most: int = 1_000) -> list[ChangeNotice]:
        """Return the notices behind a position, waiting up to ``wait_ms`` for the first."""
        answer = await self._redis.xread({_STREAM: after}, count=most, block=wait_ms)
        return [
            ChangeNotice(
                position.decode(),
                fields[b"view"].decode(),
                tuple(key.decode() for key in fields[b"keys"].split(_SEPARATOR)),
            )
            for _, notices in answer or []
            for position, fields in notices
        ]


def _order(position: str) -> tuple[int, int]:
    milliseconds, _, sequence = position.partition("-")
    return int(milliseconds), int(sequence)

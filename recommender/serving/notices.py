"""Follows the change notices without ever waiting for rows: what has changed is known before what it is now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from recommender.changes import ChangeNotice, ChangeReader

WAIT_MS = 200
"""How long a reading waits for the first notice: while nothing happens, each is a sign of life."""
_GATHER_S = 0.01
"""Notices come by the thousand a second; those of so long are read together."""
_CHECK_EVERY_S = 1.0


class NoticeFollower:
    """Hands on every notice, in order, and tells where some were lost.

    Args:
        changes: where they come from.
        take: called on the event loop with what was read, as soon as it is.
        lost: called where notices may have been missed: first of all at the start.
    """

    def __init__(
        self, changes: ChangeReader, take: Callable[[Sequence[ChangeNotice]], None], lost: Callable[[], None]
    ) -> None:
        self._changes = changes
        self._take = take
        self._lost = lost
        self._position: str | None = None
        self._check_due = 0.0
        self.followed_at = float("-inf")
        """When notices, or that there were none, were read last; as ``time.monotonic()`` tells it."""

    async def follow(self) -> None:
        """Read once; to be called again and again.

        Whatever fails is raised; the next call goes on behind what was taken.
        """
        if self._position is None or time.monotonic() >= self._check_due:
            await self._check()
        position = self._position
        if position is None:
            return
        try:
            notices = await self._changes.read(position, WAIT_MS)
        except BaseException:
            self._check_due = 0.0  # it may be another Redis, or an empty one, that answers next
            raise
        if notices:
            self._take(notices)
            self._position = notices[-1].position
        else:
            self._check_due = 0.0
        self.followed_at = time.monotonic()
        if notices:
            await asyncio.sleep(_GATHER_S)

    async def _check(self) -> None:
        """Begin anew where notices behind the position are gone."""
        if self._position is None or not await self._changes.holds(self._position):
            self._position = await self._changes.last_position()
            self._lost()
        self._check_due = time.monotonic() + _CHECK_EVERY_S

"""Puts refused events aside without making anyone wait."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from recommender.deadletters import DeadLetter, RedisDeadLetters, dead_letter

SOURCE = "api"
MOST_WAITING = 10_000
_MOST_AT_ONCE = 500
_AGAIN_AFTER_S = 1.0
_LAST_CHANCE_S = 2.0

_log = logging.getLogger(__name__)


class Letterbox:
    """Letters wait here in memory until Redis has them; beyond 10,000 new ones are lost, counted and logged."""

    def __init__(self, letters: RedisDeadLetters, count_lost: Callable[[int], None]) -> None:
        self._letters = letters
        self._count_lost = count_lost
        self._waiting: list[DeadLetter] = []
        self._new = asyncio.Event()

    def post(self, refusals: Iterable[tuple[str, bytes]]) -> None:
        """Take (reason, payload) pairs."""
        letters = [dead_letter(SOURCE, reason, payload) for reason, payload in refusals]
        room = max(0, MOST_WAITING - len(self._waiting))
        self._waiting += letters[:room]
        if len(letters) > room:
            self._count_lost(len(letters) - room)
            _log.warning("dead letters: %d lost, too many wait for Redis", len(letters) - room)
        self._new.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await self._new.wait()
            self._new.clear()
            try:
                await self._deliver()
            except Exception as error:
                _log.warning("dead letters: %s; %d wait", type(error).__name__, len(self._waiting))
                await asyncio.sleep(_AGAIN_AFTER_S)
                self._new.set()

    async def close(self) -> None:
        """Deliver what waits, if that is possible within two seconds."""
        try:
            await asyncio.wait_for(self._deliver(), _LAST_CHANCE_S)
        except Exception as error:
            self._count_lost(len(self._waiting))
            _log.warning("dead letters: %d lost at the end (%s)", len(self._waiting), type(error).__name__)

    async def _deliver(self) -> None:
        while self._waiting:
            some = self._waiting[:_MOST_AT_ONCE]
            await asyncio.to_thread(self._letters.add, some)
            del self._waiting[: len(some)]

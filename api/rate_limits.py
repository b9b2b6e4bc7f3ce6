"""How often a key may be used, counted in Redis for all processes together."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

import redis
import redis.asyncio
from limits import RateLimitItem
from limits import parse as parse_rate
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

_PORTION = 20
"""A process takes a limit out of Redis in so many portions."""
PATIENCE_S = 0.1
"""A request waits so long for Redis, if not longer [s]."""
_BLIND_S = 0.25
"""Redis that did not answer is asked again after this time, or after twice what a request waits for it."""
_REFUSE_S = 1.0
"""One who is refused is looked at again after this time, if not before."""
_CONNECTION_S = 1.0
_PREFIX = "liveshelf:rate"

_log = logging.getLogger(__name__)


class Wait(NamedTuple):
    """A request that is one too many."""

    seconds: float
    """Until there is room for one more [s]."""
    amount: int
    """Requests of the limit [count]."""
    window_s: int
    """The time that they are for [s]."""


class _Account:
    """What one process has of one key's limit."""

    def __init__(self, item: RateLimitItem) -> None:
        self.item = item
        self.window_s = item.get_expiry()
        self.portion = max(1, item.amount // _PORTION)
        self.left = 0
        self.lapses_at = 0.0
        self.refused_until = 0.0
        """Redis is not asked before then."""
        self.room_at = 0.0
        self.lock = asyncio.Lock()

    def spend(self, now: float) -> bool:
        """Take one request of the portion that is left, if any is."""
        if self.left and now < self.lapses_at:
            self.left -= 1
            return True
        return False


class RateLimits:
    """Counts requests of keys in a window that slides; in Redis, but not on each request.

    A process takes a twentieth of the limit at a time, at least one request, and spends it by itself. What it has not
    spent after a window lapses. So in any window at most the limit and one portion for each process pass; and as a
    process may hold a portion that another would need, up to so many fewer. The window of before counts by the share
    of it that the sliding window still covers, as if its requests had come evenly.

    While Redis does not answer, all pass, and are counted; it is asked again four times a second, or less often where
    requests wait longer for it.

    Args:
        redis_url: gives the address of the Redis that all processes share; asked when a limit is first met.
        unchecked: is called for each request that passed without a look.
        clock: seconds that never go back.
        patience_s: how long a request waits for Redis [s].
    """

    def __init__(
        self,
        redis_url: Callable[[], str],
        unchecked: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._redis_url = redis_url
        self._pool: redis.asyncio.ConnectionPool | None = None
        self._limiter: SlidingWindowCounterRateLimiter | None = None
        self._unchecked = unchecked
        self._clock = clock
        self._patience_s = patience_s
        self._blind_s = max(_BLIND_S, 2 * patience_s)
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._blind_until = 0.0
        self._is_blind = False

    async def take(self, key_id: str, rate: str) -> Wait | None:
        """Take one request of a key's limit; return None where it may pass.

        Args:
            key_id: whose limit it is.
            rate: such as ``600/minute``.
        """
        account = self._accounts.get((key_id, rate))
        if account is None:
            account = self._accounts[key_id, rate] = _Account(parse_rate(rate))
        if account.spend(self._clock()):
            return None
        async with account.lock:
            return await self._look(account, key_id)

    async def close(self) -> None:
        """Free the connections."""
        if self._pool is not None:
            await self._pool.aclose()

    async def _look(self, account: _Account, key_id: str) -> Wait | None:
        now = self._clock()
        if account.spend(now):  # another request has fetched a portion meanwhile
            return None
        if now < account.refused_until:
            return _wait(account, account.room_at - now)
        if now < self._blind_until:
            self._unchecked()
            return None
        try:
            limiter = self._opened()
            async with asyncio.timeout(self._patience_s):
                for cost in dict.fromkeys((account.portion, 1)):
                    taken = await limiter.hit(account.item, key_id, cost=cost)
                    self._sees()
                    if taken:
                        account.left, account.lapses_at = cost - 1, now + account.window_s
                        return None
                room_at = (await limiter.get_window_stats(account.item, key_id)).reset_time
        except (redis.RedisError, OSError, TimeoutError) as error:
            if not self._is_blind:
                _log.warning("rate limits: Redis does not answer (%s); all requests pass", type(error).__name__)
            self._is_blind, self._blind_until = True, self._clock() + self._blind_s
            self._unchecked()
            return None
        seconds = max(0.0, room_at - time.time())
        account.refused_until, account.room_at = now + min(seconds, _REFUSE_S), now + seconds
        return _wait(account, seconds)

    def _sees(self) -> None:
        if self._is_blind:
            self._is_blind = False
            _log.warning("rate limits: Redis answers again")

    def _opened(self) -> SlidingWindowCounterRateLimiter:
        if self._limiter is None:
            longest_s = max(_CONNECTION_S, self._patience_s)
            pool = self._pool = redis.asyncio.ConnectionPool.from_url(
                self._redis_url(), socket_timeout=longest_s, socket_connect_timeout=longest_s
            )
            storage = RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix=_PREFIX,
                connection_pool=pool,  # type: ignore[arg-type]
            )
            self._limiter = SlidingWindowCounterRateLimiter(storage)
        return self._limiter


def _wait(account: _Account, seconds: float) -> Wait:
    return Wait(seconds, account.item.amount, account.window_s)

"""The slates that all processes share, in Redis, and the items that users have hidden."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec
import redis
import redis.asyncio

from recommender.changes import ERASED, ChangeNotice
from recommender.serving.slate_cache import Key, StoredSlate, owners

MOST_OF_SHOPPER = 50
"""Slates kept of one shopper; with one more all of them go [count]."""
_MOST_WAITING = 1_000
_EVERY_S = 0.02
_LEAST_S = 60
_KINDS = ("user", "session")
_KEEP = """
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[3])
"""

_log = logging.getLogger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(StoredSlate)


class Found(NamedTuple):
    """What Redis knows of a question beside the shopper's rows."""

    stored: StoredSlate | None
    hidden: frozenset[str]
    stamp: bytes
    """Another one with each other set of hidden items."""


class SlateStore:
    """Keeps slates for all processes. What cannot be kept is made again: nobody waits for it, and nothing fails."""

    def __init__(self, client: redis.asyncio.Redis, count_lost: Callable[[int], None] = lambda slates: None) -> None:
        self._redis = client
        self._count_lost = count_lost
        self._keep: Any = client.register_script(_KEEP)
        self._waiting: list[tuple[Key, StoredSlate, float]] = []

    def keep(self, key: Key, stored: StoredSlate, seconds: float) -> None:
        """Have a slate kept, for at least so long as it may be given."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((key, stored, seconds))
        else:
            self._count_lost(1)

    def heed(self, notices: Iterable[ChangeNotice]) -> None:
        """Keep nothing more of who is erased."""
        gone = {
            f"{kind}:{key}" for notice in notices if notice.view == ERASED for key in notice.keys for kind in _KINDS
        }
        if gone:
            self._waiting = [each for each in self._waiting if gone.isdisjoint(owners(each[0][1]))]

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if self._waiting:
                await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        some, self._waiting = self._waiting, []
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, stored, seconds in some:
                    name, field = place(key)
                    arguments = [field, _encode(stored), max(_LEAST_S, int(seconds)), MOST_OF_SHOPPER]
                    await self._keep([name], arguments, client=pipe)
                await pipe.execute()
        except (redis.RedisError, OSError) as error:
            self._count_lost(len(some))
            _log.debug("slates: %d not kept in Redis (%s)", len(some), type(error).__name__)
        except Exception as error:
            self._count_lost(len(some))
            _log.error("slates: %d not kept in Redis (%s)", len(some), type(error).__name__)


def questions(key: Key, *, use_cache: bool) -> list[tuple[str, ...]]:
    """Return the Redis commands whose answers ``found`` understands."""
    asked: list[tuple[str, ...]] = [("HGET", *place(key))] if use_cache else []
    user_id = key[1].user_id
    return [*asked, ("SMEMBERS", hidden_place(user_id))] if user_id is not None else asked


def found(key: Key, answers: list[Any], *, use_cache: bool) -> Found:
    """Return what the answers say."""
    stored = None
    if use_cache and answers[0]:
        try:
            stored = _decoder.decode(answers[0])
        except msgspec.DecodeError:  # of an earlier release
            stored = None
    members: Iterable[bytes] = answers[-1] if key[1].user_id is not None else ()
    hidden = frozenset(member.decode() for member in members)
    stamp = hashlib.blake2b("\n".join(sorted(hidden)).encode(), digest_size=8).digest() if hidden else b""
    return Found(stored, hidden, stamp)


def place(key: Key) -> tuple[str, str]:
    """Return the Redis key of a hash, and the field in it, where a slate is kept: one hash for each shopper."""
    name, request = key
    values = msgspec.structs.asdict(request)
    values["exclude"] = sorted(request.exclude)  # the order of a set differs between processes
    values["surface"] = request.surface.value
    digest = hashlib.blake2b(msgspec.msgpack.encode((name, values)), digest_size=16).hexdigest()
    shopper = owners(request)
    return f"liveshelf:slates:{shopper[0] if shopper else f'shared:{digest}'}", digest


def hidden_place(user_id: str) -> str:
    """Return the Redis key of the set of items that a user does not want to see."""
    return f"liveshelf:hidden:{user_id}"

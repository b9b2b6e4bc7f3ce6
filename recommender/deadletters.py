"""Dead letters: events that broke a rule, kept with their reason until someone mends or purges them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import redis

MOST_LETTERS = 50_000
MOST_PAYLOAD_BYTES = 16_384
_LETTERS = "liveshelf:deadletters:letters"
_BY_TIME = "liveshelf:deadletters:by_time"


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused event."""

    letter_id: str
    source: str
    """Where it came from: ``api``, or a partition of the event log and the position in it."""
    reason: str
    payload: str
    """What came, as text; bytes that are not UTF-8 are escaped, more than 16 KiB are cut."""
    first_seen_at: float
    """[s since 1970 UTC]"""


def dead_letter(source: str, reason: str, payload: bytes, seen_at: float | None = None) -> DeadLetter:
    """Make a letter. The same payload refused at the same source for the same reason makes the same letter."""
    content = b"\0".join((source.encode(), reason.encode(), payload))
    return DeadLetter(
        hashlib.blake2b(content, digest_size=12).hexdigest(),
        source,
        reason,
        payload[:MOST_PAYLOAD_BYTES].decode("utf-8", "backslashreplace"),
        time.time() if seen_at is None else seen_at,
    )


class RedisDeadLetters:
    """Dead letters in Redis; beyond 50,000 the oldest go."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client

    def add(self, letters: Iterable[DeadLetter]) -> None:
        """Keep letters. One that is kept already stays as it is, so adding twice is safe."""
        with self._redis.pipeline(transaction=True) as pipeline:
            for letter in letters:
                pipeline.hsetnx(_LETTERS, letter.letter_id, msgspec.json.encode(letter))
                pipeline.zadd(_BY_TIME, {letter.letter_id: letter.first_seen_at}, nx=True)
            pipeline.execute()
        excess = self._redis.zcard(_BY_TIME) - MOST_LETTERS
        if excess > 0:
            self.purge([letter_id.decode() for letter_id in self._redis.zrange(_BY_TIME, 0, excess - 1)])

    def count(self) -> int:
        """Return how many letters are kept."""
        return int(self._redis.zcard(_BY_TIME))

    def list(self, most: int = 100) -> list[DeadLetter]:
        """Return the latest letters, the newest first."""
        ids = self._redis.zrevrange(_BY_TIME, 0, most - 1)
        found = self._redis.hmget(_LETTERS, ids) if ids else []
        return [msgspec.json.decode(letter, type=DeadLetter) for letter in found if letter]

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return one letter."""
        found = self._redis.hget(_LETTERS, letter_id)
        return msgspec.json.decode(found, type=DeadLetter) if found else None

    def purge(self, letter_ids: Sequence[str]) -> int:
        """Drop letters; return how many there were."""
        if not letter_ids:
            return 0
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hdel(_LETTERS, *letter_ids)
            pipeline.zrem(_BY_TIME, *letter_ids)
            dropped, _ = pipeline.execute()
        return int(dropped)

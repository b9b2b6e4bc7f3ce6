"""Dead letters: events that broke a rule, kept with their reason until someone mends or purges them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

MOST_LETTERS = 50_000
MOST_BYTES = 64 * 1024 * 1024
MOST_PAYLOAD_BYTES = 16_384
_LETTERS = "liveshelf:deadletters:letters"
_COUNTS = "liveshelf:deadletters:counts"
_BY_LAST_SEEN = "liveshelf:deadletters:by_last_seen"
_COUNTED = "liveshelf:deadletters:counted"
"""Partition of the event log to the number of the last entry that was counted."""
_BYTES = "liveshelf:deadletters:bytes"
_AT_ONCE = 500
_FROM_API = -1

_DROP = """
local function drop(letter_id)
  redis.call('DECRBY', KEYS[5], redis.call('HSTRLEN', KEYS[1], letter_id))
  redis.call('HDEL', KEYS[2], letter_id)
  redis.call('ZREM', KEYS[3], letter_id)
  return redis.call('HDEL', KEYS[1], letter_id)
end
"""
_ADD = (
    _DROP
    + """
local at = 4
for _ = 1, tonumber(ARGV[3]) do
  redis.call('HSET', KEYS[4], ARGV[at], ARGV[at + 1])
  at = at + 2
end
while at < #ARGV do
  local letter_id, letter, fresh, counted, seen = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if redis.call('HSETNX', KEYS[1], letter_id, letter) == 1 then
    redis.call('INCRBY', KEYS[5], #letter)
    fresh = fresh + counted
  end
  if tonumber(fresh) > 0 then
    redis.call('HINCRBY', KEYS[2], letter_id, fresh)
    redis.call('ZADD', KEYS[3], 'GT', seen, letter_id)
  end
  at = at + 5
end
local function kept() return redis.call('ZCARD', KEYS[3]) end
local function size() return tonumber(redis.call('GET', KEYS[5]) or 0) end
local dropped = 0
while kept() > 0 and (kept() > tonumber(ARGV[1]) or size() > tonumber(ARGV[2])) do
  dropped = dropped + drop(redis.call('ZRANGE', KEYS[3], 0, 0)[1])
end
return {dropped, kept(), size()}
"""
)
_PURGE = (
    _DROP
    + """
local dropped = 0
for _, letter_id in ipairs(ARGV) do
  dropped = dropped + drop(letter_id)
end
return dropped
"""
)
_KEYS = (_LETTERS, _COUNTS, _BY_LAST_SEEN, _COUNTED, _BYTES)


class DeadLetter(msgspec.Struct, frozen=True):
    """A refused event. One that is refused again, from the same side, for the same reason, is the same letter."""

    letter_id: str
    source: str
    """Where it first came from: ``api``, or a partition of the event log and the position in it."""
    reason: str
    payload: str
    """What came, as text; bytes that are not UTF-8 are escaped, more than 16 KiB are cut."""
    first_seen_at: float
    """[s since 1970 UTC]"""
    last_seen_at: float
    count: int = 1
    """How often it was refused."""
    whole: bool = True
    """The payload is to the byte what came, neither cut nor escaped, and all that came."""
    number: int = _FROM_API
    """Place among the entries of its partition of the event log; -1 outside of it."""


class Kept(NamedTuple):
    """What there is after letters were added."""

    letters: int
    size: int
    """[bytes]"""
    dropped: int
    """How many old letters had to go [count]."""


def dead_letter(
    source: str, reason: str, payload: bytes, seen_at: float | None = None, number: int = _FROM_API
) -> DeadLetter:
    """Make a letter.

    Args:
        source: ``api``, or partition and position of the entry in the event log.
        reason: the rules that it broke.
        payload: what came.
        seen_at: when [s since 1970 UTC]; now, if it is left out.
        number: of an entry of the event log: its place in its partition, by which an entry that the stream reads
            again after a crash is not counted again.
    """
    side = "log" if number > _FROM_API else source
    content = b"\0".join((side.encode(), reason.encode(), payload))
    kept = payload[:MOST_PAYLOAD_BYTES]
    text = kept.decode("utf-8", "backslashreplace")
    seen_at = time.time() if seen_at is None else seen_at
    return DeadLetter(
        hashlib.blake2b(content, digest_size=12).hexdigest(),
        source,
        reason,
        text,
        seen_at,
        seen_at,
        whole=len(payload) == len(kept) and text.encode() == payload,
        number=number,
    )


class _Tally:
    """What one call adds to one letter."""

    def __init__(self, letter: DeadLetter) -> None:
        self.letter = letter
        self.fresh = 0
        self.counted = 0
        self.last_seen_at = letter.last_seen_at

    def arguments(self) -> list[Any]:
        letter = self.letter
        return [letter.letter_id, msgspec.json.encode(letter), self.fresh, self.counted, self.last_seen_at]


class RedisDeadLetters:
    """Dead letters in Redis. Beyond 50,000 of them, or 64 MiB, those go that were not seen for longest."""

    def __init__(self, client: redis.Redis, most: int = MOST_LETTERS, most_bytes: int = MOST_BYTES) -> None:
        self._redis: Any = client
        self._most = most
        self._most_bytes = most_bytes
        self._add = client.register_script(_ADD)
        self._purge = client.register_script(_PURGE)

    def add(self, letters: Iterable[DeadLetter]) -> Kept:
        """Keep letters and count them. Entries of the log, in its order, count once however often they are added."""
        counted = {name.decode(): int(number) for name, number in self._redis.hgetall(_COUNTED).items()}
        letters = list(letters)
        dropped = kept = size = 0
        for start in range(0, len(letters), _AT_ONCE):
            dropped_now, kept, size = self._count(letters[start : start + _AT_ONCE], counted)
            dropped += dropped_now
        return Kept(kept, size, dropped)

    def _count(self, letters: list[DeadLetter], counted: dict[str, int]) -> list[int]:
        """Add some letters, and how far the log is counted with them, in one step of Redis; update ``counted``."""
        before = dict(counted)
        tallies: dict[str, _Tally] = {}
        for letter in letters:
            tally = tallies.get(letter.letter_id)
            if tally is None:
                tally = tallies[letter.letter_id] = _Tally(letter)
            partition = letter.source.partition(" ")[0]
            if letter.number == _FROM_API:
                tally.fresh += 1
            elif letter.number > counted.get(partition, _FROM_API):
                counted[partition] = letter.number
                tally.fresh += 1
            else:
                tally.counted += 1
            tally.last_seen_at = max(tally.last_seen_at, letter.last_seen_at)
        news = [place for place in counted.items() if before.get(place[0]) != place[1]]
        arguments: list[Any] = [self._most, self._most_bytes, len(news)]
        for place in news:
            arguments += place
        for tally in tallies.values():
            arguments += tally.arguments()
        answer: list[int] = self._add(_KEYS, arguments)
        return answer

    def count(self) -> int:
        """Return how many letters are kept."""
        return int(self._redis.zcard(_BY_LAST_SEEN))

    def list(self, most: int = 100) -> list[DeadLetter]:
        """Return the letters seen last, the newest first."""
        found: list[DeadLetter] = []
        seen = self._redis.zrevrange(_BY_LAST_SEEN, 0, most - 1, withscores=True)
        for start in range(0, len(seen), _AT_ONCE):
            found += self._read(seen[start : start + _AT_ONCE])
        return found

    def all(self) -> Iterator[DeadLetter]:
        """Yield all letters, some at a time; those that come or go meanwhile may be among them or not."""
        seen = self._redis.zrange(_BY_LAST_SEEN, 0, -1, withscores=True)
        for start in range(0, len(seen), _AT_ONCE):
            yield from self._read(seen[start : start + _AT_ONCE])

    def get(self, letter_id: str) -> DeadLetter | None:
        """Return one letter."""
        seen_at = self._redis.zscore(_BY_LAST_SEEN, letter_id)
        found = [] if seen_at is None else self._read([(letter_id, seen_at)])
        return found[0] if found else None

    def _read(self, seen: Sequence[tuple[Any, float]]) -> Sequence[DeadLetter]:
        ids = [letter_id for letter_id, _ in seen]
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.hmget(_LETTERS, ids)
            pipeline.hmget(_COUNTS, ids)
            letters, counts = pipeline.execute()
        return [
            msgspec.structs.replace(
                msgspec.json.decode(letter, type=DeadLetter), count=int(count), last_seen_at=last_seen_at
            )
            for letter, count, (_, last_seen_at) in zip(letters, counts, seen, strict=True)
            if letter and count
        ]

    def purge(self, letter_ids: Sequence[str]) -> int:
        """Drop letters; return how many there were."""
        return int(self._purge(_KEYS, letter_ids))

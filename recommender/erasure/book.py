"""What Redis holds of erasures: who is to be erased until that is done, and how far each erasure is."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import redis

from recommender.erasure.control import Subject

_OPEN = "liveshelf:erasures:open"
"""Hash of user id to request; the only place that names users, until they are erased."""
_BATCH = "liveshelf:erasures:batch"
_CLOSING = "liveshelf:erasures:closing"
"""Set of erasures whose users are gone from everywhere but Redis' own append-only file."""
_LOCK = "liveshelf:erasures:lock"
_STATUS = "liveshelf:erasures:status:"
_KEPT_S = 400 * 86_400
_LOCKED_MS = 60_000

Phase = Literal["find", "drop", "sweep", "clean", "tell"]


class Request(msgspec.Struct):
    """A wish to erase a user."""

    erasure_id: str
    user_id: str
    requested_at: str
    key_id: str = ""


class ErasureStatus(msgspec.Struct, kw_only=True):
    """How far an erasure is. It does not name the user."""

    erasure_id: str
    status: Literal["pending", "complete"] = "pending"
    phase: str = "waiting"
    requested_at: str = ""
    completed_at: str | None = None
    counts: dict[str, int] = {}
    remarks: list[str] = []


class Batch(msgspec.Struct):
    """Erasures that are done together."""

    batch_id: str
    requests: list[Request]
    phase: Phase = "find"
    round: int = 1
    sessions: dict[str, list[str]] = {}
    """By user id."""
    counts: dict[str, dict[str, int]] = {}
    """By user id."""
    remarks: list[str] = []

    def subjects(self) -> list[Subject]:
        """Return users and sessions."""
        return [
            Subject(request.user_id, tuple(sorted(self.sessions.get(request.user_id, ())))) for request in self.requests
        ]

    def count(self, user_id: str, name: str, number: int) -> None:
        """Add to a count of a user's."""
        counts = self.counts.setdefault(user_id, {})
        counts[name] = counts.get(name, 0) + number


class ErasureBook:
    """Reads and writes all that; blocking."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis: Any = client
        self._token = secrets.token_hex(8)

    def open(self, user_id: str, key_id: str = "") -> tuple[ErasureStatus, bool]:
        """Note a wish to erase a user; return how far it is, and whether it is new: one that is open goes on."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        request = Request(secrets.token_hex(12), user_id, now, key_id)
        status = ErasureStatus(erasure_id=request.erasure_id, requested_at=now)
        self._put(status)
        if self._redis.hsetnx(_OPEN, user_id, msgspec.json.encode(request)):
            return status, True
        self._redis.delete(_STATUS + request.erasure_id)
        known = self._redis.hget(_OPEN, user_id)
        if known is None:  # done in this moment
            return self.open(user_id, key_id)
        erasure_id = msgspec.json.decode(known, type=Request).erasure_id
        return self.status(erasure_id) or ErasureStatus(erasure_id=erasure_id), False

    def status(self, erasure_id: str) -> ErasureStatus | None:
        """Return how far an erasure is; None for an unknown one."""
        found = self._redis.get(_STATUS + erasure_id)
        return msgspec.json.decode(found, type=ErasureStatus) if found else None

    def lock(self) -> bool:
        """Take, or keep, the right to do the work, for a minute."""
        if self._redis.set(_LOCK, self._token, nx=True, px=_LOCKED_MS):
            return True
        if self._redis.get(_LOCK) == self._token.encode():
            self._redis.pexpire(_LOCK, _LOCKED_MS)
            return True
        return False

    def unlock(self) -> None:
        """Give the right back."""
        if self._redis.get(_LOCK) == self._token.encode():
            self._redis.delete(_LOCK)

    def batch(self, most: int) -> Batch | None:
        """Return the batch under way, else a new one of what is open; None where nothing is."""
        found = self._redis.get(_BATCH)
        if found:
            return msgspec.json.decode(found, type=Batch)
        requests = [msgspec.json.decode(request, type=Request) for request in self._redis.hvals(_OPEN)]
        if not requests:
            return None
        requests.sort(key=lambda request: request.requested_at)
        batch = Batch(secrets.token_hex(8), requests[:most])
        self.save(batch)
        return batch

    def save(self, batch: Batch) -> None:
        """Note how far a batch is."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.set(_BATCH, msgspec.json.encode(batch))
            for request in batch.requests:
                self._put(_status(batch, request, batch.phase), pipeline)
            pipeline.execute()

    def forget(self, batch: Batch) -> None:
        """Note that the users of a batch are gone, and name them no more."""
        with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(_BATCH)
            pipeline.hdel(_OPEN, *(request.user_id for request in batch.requests))
            pipeline.sadd(_CLOSING, *(request.erasure_id for request in batch.requests))
            for request in batch.requests:
                self._put(_status(batch, request, "close"), pipeline)
            pipeline.execute()

    def closing(self) -> list[str]:
        """Return the erasures that only wait for Redis to write its append-only file anew."""
        return sorted(erasure_id.decode() for erasure_id in self._redis.smembers(_CLOSING))

    def complete(self, erasure_ids: Sequence[str], remark: str = "") -> None:
        """Note that these are complete."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for erasure_id in erasure_ids:
            status = self.status(erasure_id) or ErasureStatus(erasure_id=erasure_id)
            status.status, status.phase, status.completed_at = "complete", "complete", now
            status.remarks += [remark] if remark else []
            self._put(status)
            self._redis.srem(_CLOSING, erasure_id)

    def _put(self, status: ErasureStatus, client: Any = None) -> None:
        (client or self._redis).set(_STATUS + status.erasure_id, msgspec.json.encode(status), ex=_KEPT_S)


def _status(batch: Batch, request: Request, phase: str) -> ErasureStatus:
    return ErasureStatus(
        erasure_id=request.erasure_id,
        phase=phase,
        requested_at=request.requested_at,
        counts=batch.counts.get(request.user_id, {}),
        remarks=list(batch.remarks),
    )

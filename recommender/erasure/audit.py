"""The audit log: a line for each act on what is held of a user. It is only ever appended to, and names no user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from recommender.erasure.secret import Secret

Act = Literal["erasure_requested", "erasure_completed", "export"]


class AuditRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line."""

    at: str
    """ISO 8601, UTC."""
    act: Act
    user_digest: str
    """Salted: see `Secret.digest`."""
    key_id: str = ""
    """The API key that was shown."""
    erasure_id: str = ""
    counts: dict[str, int] = {}


class AuditLog:
    """The file, durable after each line, readable by its owner alone."""

    def __init__(self, path: Path, secret: Secret) -> None:
        self._path = path
        self._secret = secret

    def note(
        self, act: Act, user_id: str, *, key_id: str = "", erasure_id: str = "", counts: Mapping[str, int] | None = None
    ) -> None:
        """Write down that something was done with what is held of a user."""
        record = AuditRecord(
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            act=act,
            user_digest=self._secret.digest(user_id),
            key_id=key_id,
            erasure_id=erasure_id,
            counts=dict(counts or {}),
        )
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, msgspec.json.encode(record) + b"\n")  # one write: lines of several processes do not mix
            os.fsync(file)
        finally:
            os.close(file)

    def records(self) -> list[AuditRecord]:
        """Return all lines, the oldest first."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=AuditRecord) for line in lines]

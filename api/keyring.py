"""Who shows which key: the keys of the file, read again as it changes, and those of the settings."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from pathlib import Path
from typing import NamedTuple

from recommender.api_keys import (
    ADMIN,
    SCOPES,
    ApiKey,
    DamagedKeys,
    keys_path,
    parts_of,
    read_keys,
    secret_digest,
)
from recommender.settings import Settings

_LOOK_EVERY_S = 1.0
_MOST_REMEMBERED = 10_000
_SHORTEST_ADMIN_KEY = 20
_NO_SECRET = secret_digest("")
"""What the secret of an unknown key is compared with, so that its answer takes as long."""

_log = logging.getLogger(__name__)


class Holder(NamedTuple):
    """Who holds a key, and what it may do."""

    key_id: str
    scopes: frozenset[str]
    rate: str
    """Such as ``600/minute``; empty for no limit."""


class Keyring:
    """The keys of one process of the API."""

    def __init__(self, settings: Settings) -> None:
        self._path: Path = keys_path(settings)
        self._rate = settings.rate_limit
        self._admin_length = len(settings.admin_key.get_secret_value()) if settings.admin_key is not None else 0
        self._set = [
            (_digest(secret.get_secret_value().encode()), holder)
            for secret, holder in (
                (settings.admin_key, Holder("admin", frozenset({ADMIN}), "")),
                (settings.run_key, Holder("run", frozenset(SCOPES), "")),
            )
            if secret is not None and secret.get_secret_value()
        ]
        self._kept: dict[str, ApiKey] = {}
        self._seen: tuple[int, int, int] | None = None
        self._damage: str | None = None
        self._verified: dict[bytes, Holder] = {}
        self.refresh()

    def holder(self, shown: bytes) -> Holder | None:
        """Return who holds the key that is shown; None where nobody does.

        What was verified is remembered by its digest, until the file changes.
        """
        digest = _digest(shown)
        found = self._verified.get(digest)
        if found is None:
            found = self._verify(shown, digest)
            if found is not None:
                if len(self._verified) >= _MOST_REMEMBERED:
                    self._verified.clear()
                self._verified[digest] = found
        return found

    def refresh(self) -> None:
        """Read the file again if it has changed; a damaged one leaves the keys as they were."""
        try:
            stat = self._path.stat()
            state = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        except FileNotFoundError:
            state = (0, 0, 0)
        except OSError:
            state = (-1, 0, 0)
        if state == self._seen:
            return
        self._seen = state
        try:
            kept = read_keys(self._path)
        except DamagedKeys as error:
            self._damage = "api_keys_file: cannot be read; the keys stay as they were, the reason is in the log"
            _log.warning("%s; the keys stay as they were", error)
            return
        self._damage = None
        self._kept = {key.key_id: key for key in kept if key.revoked_at is None}
        self._verified.clear()
        _log.info("keys: %d in use", len(self._kept))

    async def follow(self) -> None:
        """Look once a second whether the file has changed; never returns."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self.refresh()

    def warnings(self) -> list[str]:
        """Return what should be looked at."""
        found = [self._damage] if self._damage is not None else []
        if 0 < self._admin_length < _SHORTEST_ADMIN_KEY:
            found.append(f"admin_key: should have at least {_SHORTEST_ADMIN_KEY} characters; got {self._admin_length}")
        if not self._kept and not self._set:
            found.append("keys: there is none, so every request to /v1 is refused; `liveshelf keys create` makes one")
        return found

    def _verify(self, shown: bytes, digest: bytes) -> Holder | None:
        found = None
        for secret, holder in self._set:
            if hmac.compare_digest(secret, digest):
                found = holder
        parts = parts_of(shown.decode("latin-1"))
        if parts is None:
            return found
        key = self._kept.get(parts[0])
        expected = key.secret_sha256 if key is not None else _NO_SECRET
        same = hmac.compare_digest(expected, secret_digest(parts[1]))
        if same and key is not None:
            return Holder(key.key_id, frozenset(key.scopes), key.rate or self._rate)
        return found


def _digest(shown: bytes) -> bytes:
    return hashlib.sha256(shown).digest()

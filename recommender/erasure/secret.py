"""The secret of an installation, by which it knows its own control events, and which salts the digests of user ids."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

_BYTES = 32


class Secret:
    """A file of random bytes that only its owner can read; made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = b""

    def proof(self, content: bytes) -> str:
        """Return the HMAC-SHA256 of some bytes, hexadecimal."""
        return hmac.new(self._load(), content, hashlib.sha256).hexdigest()

    def has_proved(self, content: bytes, proof: str) -> bool:
        """Tell whether a proof is that of these bytes."""
        return hmac.compare_digest(self.proof(content).encode(), proof.encode())

    def digest(self, user_id: str) -> str:
        """Return what stands for a user where the id must not; without the secret nobody can tell whose it is."""
        return self.proof(b"user\0" + user_id.encode())[:32]

    def _load(self) -> bytes:
        if not self._key:
            try:
                self._key = self._path.read_bytes()
            except FileNotFoundError:
                self._make()
                self._key = self._path.read_bytes()
        return self._key

    def _make(self) -> None:
        """Make the file whole or not at all; of several who do so at once the first one wins."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(beside, self._path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            beside.replace(self._path)
        finally:
            beside.unlink(missing_ok=True)

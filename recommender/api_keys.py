"""The keys to the API: a file that holds what each may do, and the SHA-256 of its secret in place of the secret."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from recommender.installation import Installation, write_atomically
from recommender.settings import RATE_FORM, Settings

Scope = Literal["read", "write", "admin"]
READ: Scope = "read"
WRITE: Scope = "write"
ADMIN: Scope = "admin"
SCOPES: tuple[Scope, ...] = (READ, WRITE, ADMIN)

_ID_BYTES = 4
_SECRET_BYTES = 24
"""192 bits: nobody finds such a secret by trying, so a plain SHA-256 of it tells nothing."""
_KEY = re.compile(rf"lsk_([0-9a-f]{{{2 * _ID_BYTES}}})_([0-9a-f]{{{2 * _SECRET_BYTES}}})")
_RATE = re.compile(RATE_FORM)


class DamagedKeys(ValueError):
    """The file of keys cannot be read."""


class UnknownKey(LookupError):
    """No key in the file has this id."""


class ApiKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept of a key."""

    key_id: Annotated[str, msgspec.Meta(pattern=f"^[0-9a-f]{{{2 * _ID_BYTES}}}$")]
    secret_sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1)]
    created_at: str
    rate: Annotated[str, msgspec.Meta(pattern=RATE_FORM)] = ""
    """Requests that it may make, such as ``600/minute``; empty for the setting ``rate_limit``."""
    note: str = ""
    revoked_at: str | None = None


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    keys: list[ApiKey]


def keys_path(settings: Settings) -> Path:
    """Return where the keys are kept."""
    return settings.api_keys_file or Installation(settings.data_dir).data_dir / "api_keys.json"


def read_keys(path: Path) -> list[ApiKey]:
    """Return all keys, the revoked ones too; none where there is no file.

    Raises:
        DamagedKeys: the file is no file of keys, or may not be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=_KeyFile).keys
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DamagedKeys(f"api_keys_file: must be readable; {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedKeys(f"api_keys_file: must be as `liveshelf keys` writes it; got {path} ({error})") from error


def create_key(
    path: Path,
    scopes: Sequence[Scope],
    *,
    now: datetime,
    rate: str = "",
    note: str = "",
    token: Callable[[int], str] = secrets.token_hex,
) -> tuple[str, ApiKey]:
    """Add a key to the file; return its text, which is told nowhere else, and what is kept of it.

    Raises:
        DamagedKeys: the file cannot be read; it is left as it is.
    """
    with _changed(path) as keys:
        taken = {key.key_id for key in keys}
        key_id = next(found for found in iter(lambda: token(_ID_BYTES), None) if found not in taken)
        secret = token(_SECRET_BYTES)
        wanted: list[Scope] = [scope for scope in SCOPES if scope in scopes]
        key = ApiKey(key_id, secret_digest(secret), wanted, now.isoformat(timespec="seconds"), rate, note)
        keys.append(key)
    return f"lsk_{key_id}_{secret}", key


def revoke_key(path: Path, key_id: str, *, now: datetime) -> ApiKey:
    """Let a key open nothing from now on; return what is kept of it. Once revoked, it stays as it is.

    Raises:
        UnknownKey: there is none of this id.
        DamagedKeys: the file cannot be read; it is left as it is.
    """
    with _changed(path) as keys:
        place = next((place for place, key in enumerate(keys) if key.key_id == key_id), None)
        if place is None:
            raise UnknownKey(f"keys: must be the id of a key; got {key_id[:20]!r}")
        if keys[place].revoked_at is None:
            keys[place] = msgspec.structs.replace(keys[place], revoked_at=now.isoformat(timespec="seconds"))
        return keys[place]


def parts_of(text: str) -> tuple[str, str] | None:
    """Return the id and the secret of a key's text; None where it has another form."""
    found = _KEY.fullmatch(text)
    return (found[1], found[2]) if found else None


def secret_digest(secret: str) -> str:
    """Return what is kept of a secret: its SHA-256 in hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_rate(text: str) -> bool:
    """Tell whether a text is a rate, such as ``600/minute``."""
    return bool(text) and _RATE.fullmatch(text) is not None


@contextmanager
def _changed(path: Path) -> Iterator[list[ApiKey]]:
    """Give the keys to be changed, alone; they are written back unless an error is raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        keys = read_keys(path)
        yield keys
        write_atomically(path, msgspec.json.format(msgspec.json.encode(_KeyFile(keys))) + b"\n", mode=0o600)
    finally:
        os.close(lock)

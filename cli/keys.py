"""``liveshelf keys``: who may use the API."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from cli.problem import WRONG_USE, Problem, read_settings
from recommender.api_keys import SCOPES, ApiKey, Scope, create_key, is_rate, keys_path, read_keys, revoke_key

_MOST_NOTE = 200


def run_create(scopes: Sequence[str], rate: str | None, note: str, data_dir: Path | None, as_json: bool) -> int:
    """Make a key and print its text, this once; return the exit code."""
    chosen: list[Scope] = [scope for scope in SCOPES if scope in scopes]
    if not chosen or len(chosen) != len(set(scopes)):
        got = ", ".join(sorted(set(scopes))) or "none"
        raise Problem(f"--scope: must be one or more of {', '.join(SCOPES)}; got {got}", WRONG_USE)
    if rate is not None and not is_rate(rate):
        raise Problem(f"--rate: must be COUNT/second, /minute, /hour or /day; got {rate!r}", WRONG_USE)
    if len(note) > _MOST_NOTE or not note.isprintable():
        raise Problem(f"--note: must be one line of at most {_MOST_NOTE} characters; got {len(note)}", WRONG_USE)
    text, key = create_key(_path(data_dir), chosen, now=datetime.now(UTC), rate=rate or "", note=note)
    if as_json:
        _print_json({"key": text, **_told(key)})
        return 0
    print(text)
    print(
        f"Key {key.key_id} may {', '.join(key.scopes)}. It is shown this once; a running API takes it within a second.",
        file=sys.stderr,
    )
    return 0


def run_list(data_dir: Path | None, as_json: bool) -> int:
    """Print what is kept of all keys; return the exit code."""
    keys = read_keys(_path(data_dir))
    if as_json:
        _print_json({"keys": [_told(key) for key in keys]})
        return 0
    if not keys:
        print("There is no key yet. `liveshelf keys create --scope read --scope write` makes one.")
    for key in keys:
        state = f"revoked {key.revoked_at}" if key.revoked_at else f"created {key.created_at}"
        scopes = ",".join(key.scopes)
        print(f"{key.key_id}  {scopes:<16}  {key.rate or '-':<12}  {state}  {key.note}".rstrip())
    return 0


def run_revoke(key_id: str, data_dir: Path | None, as_json: bool) -> int:
    """Let a key open nothing any more; return the exit code."""
    key = revoke_key(_path(data_dir), key_id, now=datetime.now(UTC))
    if as_json:
        _print_json(_told(key))
    else:
        print(f"{key.key_id} revoked; a running API refuses it within a second")
    return 0


def _path(data_dir: Path | None) -> Path:
    return keys_path(read_settings(data_dir=data_dir))


def _told(key: ApiKey) -> dict[str, Any]:
    """Return what may be told of a key: all but the digest."""
    return {
        "key_id": key.key_id,
        "scopes": key.scopes,
        "rate": key.rate or None,
        "note": key.note,
        "created_at": key.created_at,
        "revoked_at": key.revoked_at,
    }


def _print_json(value: object) -> None:
    print(msgspec.json.encode(value).decode())

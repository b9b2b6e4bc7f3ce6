"""The state of many keys, kept in memory and saved by difference.

A dataflow step keeps the state of all keys of a shard in one `KeyedState`. At each snapshot only the keys touched since
the last one are written, to SQLite, under a new version number; the number is all that the dataflow's own recovery
store has to hold. Resuming from a number drops every later version, so state and source positions stay consistent
whatever the moment of a crash.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

_KEPT_VERSIONS = 8
"""Versions that can still be returned to; older ones are folded into one."""
_MOST_LIVE = 1_000
"""Decoded states kept from one snapshot to the next; the others wait as bytes."""

_TABLES = """
CREATE TABLE IF NOT EXISTS settled (key TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recent (
  version INTEGER, key TEXT, state BLOB NOT NULL, PRIMARY KEY (version, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (
  one INTEGER PRIMARY KEY CHECK (one = 1), settled INTEGER, latest INTEGER, layout TEXT
);
INSERT OR IGNORE INTO progress VALUES (1, 0, 0, NULL);
"""


_ANEW = (
    "To begin anew with what the event log still holds, move recovery/, state/ and history/ away, all three; "
    "`liveshelf import` can load what the log no longer holds"
)


class LostState(RuntimeError):
    """The saved state does not go with the recovery store."""


class KeyedState(Generic[S]):
    """State by key of one shard of one step.

    Args:
        path: the shard's file; made if missing.
        state_type: class of the states; a new key starts with ``state_type()``.
        version: what the last committed snapshot returned; 0 to begin anew.

    Raises:
        LostState: the file cannot be taken back to this version.
    """

    def __init__(self, path: Path, state_type: type[S], version: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._type = state_type
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(state_type)
        self._version = version
        self._live: dict[str, S] = {}
        self._touched: set[str] = set()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _TABLES)
        self._return_to(path, version)
        self._saved: dict[str, bytes] = dict(self._database.execute("SELECT key, state FROM settled"))
        self._saved.update(self._database.execute("SELECT key, state FROM recent ORDER BY version"))

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._saved) + sum(1 for key in self._touched if key not in self._saved)

    def peek(self, key: str) -> S | None:
        """Return the state of a key to look at, or None for a new key."""
        state = self._live.get(key)
        if state is None:
            saved = self._saved.get(key)
            if saved is None:
                return None
            state = self._live[key] = self._decoder.decode(saved)
        return state

    def touch(self, key: str) -> S:
        """Return the state of a key to change; the next snapshot writes it."""
        state = self.peek(key)
        if state is None:
            state = self._live[key] = self._type()
        self._touched.add(key)
        return state

    def snapshot(self) -> int:
        """Save what was touched; return the version that holds it."""
        if not self._touched:
            return self._version
        self._version += 1
        fresh = {key: self._encoder.encode(self._live[key]) for key in self._touched}
        settled = self._version - _KEPT_VERSIONS
        run = self._database.execute
        run("BEGIN")
        self._database.executemany(
            "INSERT INTO recent VALUES (?, ?, ?)",
            [(self._version, key, state) for key, state in fresh.items()],
        )
        run(
            "INSERT INTO settled SELECT key, state FROM recent WHERE version <= ? ORDER BY version "
            "ON CONFLICT (key) DO UPDATE SET state = excluded.state",
            (settled,),
        )
        run("DELETE FROM recent WHERE version <= ?", (settled,))
        run("UPDATE progress SET settled = max(settled, ?), latest = ?", (settled, self._version))
        run("COMMIT")
        self._saved.update(fresh)
        self._touched.clear()
        if len(self._live) > _MOST_LIVE:
            self._live.clear()
        return self._version

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def _return_to(self, path: Path, version: int) -> None:
        settled, latest = self._database.execute("SELECT settled, latest FROM progress").fetchone()
        layout = str(msgspec.inspect.type_info(self._type))
        (saved_layout,) = self._database.execute("SELECT layout FROM progress").fetchone()
        if version == 0:
            self._database.executescript("DELETE FROM settled; DELETE FROM recent;")
        elif saved_layout != layout:
            raise LostState(f"{path}: was saved by a version of Liveshelf whose {self._type.__name__} differs. {_ANEW}")
        elif not settled <= version <= latest:
            raise LostState(
                f"{path}: must hold version {version}, which the recovery store names; got {settled} to {latest}. "
                f"Restore recovery/, state/ and history/ from one backup. {_ANEW}"
            )
        run = self._database.execute
        run("BEGIN")
        run("DELETE FROM recent WHERE version > ?", (version,))
        run("UPDATE progress SET settled = min(settled, ?), latest = ?, layout = ?", (version, version, layout))
        run("COMMIT")

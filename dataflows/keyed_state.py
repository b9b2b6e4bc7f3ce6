"""The state of many keys, kept in memory and saved by difference.

A dataflow step keeps the state of all keys of a shard in one `KeyedState`. States are decoded while a batch needs them
and wait encoded otherwise: that is a third of the size, and memory that is used again while it is still in the
processor's cache makes the next batch quicker. At each snapshot only the keys touched since
the last one are written, as one block, to SQLite, under a new version number; the number is all that the dataflow's own
recovery store has to hold. Resuming from a number drops every later version, so state and source positions stay
consistent whatever the moment of a crash. Blocks that no resume can need singly are merged into the base.
"""

from __future__ import annotations

import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from dataflows import metrics
from dataflows.saver import Saver

S = TypeVar("S", bound=msgspec.Struct)

_KEPT_VERSIONS = 8
"""Versions that can still be returned to."""
_MERGED_BYTES, _MERGED_BLOCKS = 1_000_000, 1_000
"""Size and number of settled blocks below which it is not worth while to write the base anew."""
_PART_KEYS = 20_000
"""Keys in one part of the base."""
_DAY_S = 86_400
_DAY = struct.Struct("<H")
_FORGOTTEN = b""

_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
    "PRAGMA wal_autocheckpoint=128; PRAGMA journal_size_limit=1000000;"  # there are many of these files
)
_TABLES = """
CREATE TABLE IF NOT EXISTS base (part INTEGER PRIMARY KEY, states BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS block (version INTEGER PRIMARY KEY, states BLOB NOT NULL);
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
        path: the shard's file, in a folder named after the step; made if missing.
        state_type: class of the states; a new key starts with ``state_type()``.
        version: what the last committed snapshot returned; 0 to begin anew.
        clock: gives the seconds since 1970 UTC.
        saver: saves beside the caller's work; whoever commits a version has to wait for it. Without it a snapshot
            returns once it is durable.

    Raises:
        LostState: the file cannot be taken back to this version.
    """

    def __init__(
        self,
        path: Path,
        state_type: type[S],
        version: int,
        clock: Callable[[], float] = time.time,
        saver: Saver | None = None,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._type = state_type
        self._clock = clock
        self._sweep_at = zlib.crc32(path.name.encode()) % _DAY_S
        """When in the day idle keys are looked for: not in all shards at once."""
        self._swept_day = 0
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(state_type).decode
        self._version = version
        self._live: dict[str, S] = {}
        """Decoded states of the batch."""
        self._changed: set[str] = set()
        """Keys of those that the batch has changed."""
        self._touched: set[str] = set()
        """Keys changed since the last snapshot, but for those of the batch."""
        self._dropped: set[str] = set()
        self._resumed = version
        self._erasing: dict[str, int] = {}
        """Erasure to the version without what it has dropped; -1 until there is one."""
        self._sweep_to = -1
        """Version up to which the next snapshot sweeps; -1 for not at all."""
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.executescript(_PRAGMAS + _TABLES)
        self._return_to(path, version)
        self._saved = self._load(version)
        self._saver = saver
        self._saving: Future[None] | None = None
        (self._base_bytes,) = self._database.execute("SELECT total(length(states)) FROM base").fetchone()
        self._block_bytes = 0
        stagger = zlib.crc32(str(path).encode()) % 100 / 100
        self._merge_ratio = 0.5 + stagger  # so that the shards do not all merge at the same snapshot
        self._keys = metrics.STATE_KEYS.labels(path.parent.name)
        self._bytes = metrics.STATE_BYTES.labels(path.parent.name)
        self._keys.inc(len(self._saved))
        self._bytes.inc(sum(len(key) + len(state) for key, state in self._saved.items()))

    def __len__(self) -> int:
        """Return the number of keys."""
        return len(self._saved) + sum(1 for key in self._changed if key not in self._saved)

    def peek(self, key: str) -> S | None:
        """Return the state of a key to look at, or None for a new key."""
        state = self._live.get(key)
        if state is None:
            saved = self._saved.get(key)
            if saved is None:
                return None
            state = self._live[key] = self._decode(saved[_DAY.size :])
        return state

    def touch(self, key: str) -> S:
        """Return the state of a key to change; the next snapshot writes it."""
        state = self._live.get(key)
        if state is None:
            saved = self._saved.get(key)
            state = self._type() if saved is None else self._decode(saved[_DAY.size :])
            self._live[key] = state
        self._changed.add(key)
        return state

    def end_batch(self) -> None:
        """Encode what has changed. Of the states that were handed out none may be used any more."""
        saved, live, encode = self._saved, self._live, self._encode
        stamp = _DAY.pack(int(self._clock()) // _DAY_S)
        keys, grown = len(saved), 0
        for key in self._changed:
            state = stamp + encode(live[key])
            known = saved.get(key)
            grown += len(state) - len(known) if known is not None else len(key) + len(state)
            saved[key] = state
        self._keys.inc(len(saved) - keys)
        self._bytes.inc(grown)
        self._touched |= self._changed
        self._changed.clear()
        live.clear()

    def forget_idle(self, days_of: Callable[[str], int]) -> list[str]:
        """Forget keys that were not touched for some days, once a day; return them.

        Args:
            days_of: after how many days a key is to be forgotten.
        """
        today = int(self._clock() - self._sweep_at) // _DAY_S
        if today == self._swept_day:
            return []
        self._swept_day = today
        self.end_batch()
        stamp = _DAY.unpack_from
        idle = [
            key
            for key, state in self._saved.items()
            if stamp(state)[0] + days_of(key) < today and key not in self._touched
        ]
        for key in idle:
            state = self._saved.pop(key)
            self._bytes.dec(len(key) + len(state))
        self._keys.dec(len(idle))
        self._dropped.update(idle)
        return idle

    def find(self, wanted: Callable[[str], bool]) -> list[str]:
        """Return the keys that are wanted."""
        return [key for key in {**self._saved, **dict.fromkeys(self._changed)} if wanted(key)]

    def drop(self, keys: Iterable[str], erasure: str) -> None:
        """Forget keys at once; ``sweep`` with the same name, once no crash can undo it, removes them from the file.

        Of the states that were handed out none may be used any more.
        """
        self.end_batch()
        gone = [key for key in keys if key in self._saved]
        for key in gone:
            state = self._saved.pop(key)
            self._bytes.dec(len(key) + len(state))
        self._keys.dec(len(gone))
        self._touched.difference_update(gone)
        self._dropped.update(gone)
        self._erasing[erasure] = -1

    def sweep(self, erasure: str) -> None:
        """Have the next snapshot write the file anew, without what the erasure has dropped and all that is obsolete.

        The version without it must be one that no resume goes back before. Where this object has not dropped it
        itself, what it resumed from is such a version.
        """
        self._sweep_to = max(self._sweep_to, self._erasing.pop(erasure, self._resumed), self._resumed)

    def snapshot(self) -> int:
        """Save what was touched; return the version that holds it."""
        self.end_batch()
        if self._touched or self._dropped:
            self._save_touched()
        self._erasing = {name: self._version if at < 0 else at for name, at in self._erasing.items()}
        if self._sweep_to >= 0:
            self._finish_saving()
            self._start_saving(partial(self._sweep, self._sweep_to))
            self._sweep_to = -1
        return self._version

    def _save_touched(self) -> None:
        saved = self._saved
        fresh = {key: saved[key] for key in self._touched}
        block = self._encode(fresh | dict.fromkeys(self._dropped - self._touched, _FORGOTTEN))
        self._version += 1
        self._finish_saving()
        self._start_saving(partial(self._save, self._version, block))
        self._touched.clear()
        self._dropped.clear()

    def _start_saving(self, work: Callable[[], None]) -> None:
        if self._saver is None:
            work()
        else:
            self._saving = self._saver.save(work)

    def close(self) -> None:
        """Close the file."""
        self._finish_saving()
        self._database.close()

    def _finish_saving(self) -> None:
        if self._saving is not None:
            self._saving.result()

    def _save(self, version: int, block: bytes) -> None:
        run = self._database.execute
        run("BEGIN")
        run("INSERT INTO block VALUES (?, ?)", (version, block))
        run("UPDATE progress SET latest = ?", (version,))
        self._block_bytes += len(block)
        worth_while = max(_MERGED_BYTES, self._base_bytes * self._merge_ratio)
        if self._block_bytes > worth_while or version % _MERGED_BLOCKS == 0:
            self._merge(version - _KEPT_VERSIONS)
        run("COMMIT")

    def _sweep(self, settled: int) -> None:
        """Merge, then leave no page behind that holds what was: neither in the file nor in its log."""
        run = self._database.execute
        run("BEGIN")
        self._merge(settled)
        run("COMMIT")
        run("VACUUM")
        run("PRAGMA wal_checkpoint(TRUNCATE)")

    def _load(self, version: int) -> dict[str, bytes]:
        """Return the saved states of a version."""
        decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode
        states: dict[str, bytes] = {}
        for (part,) in self._database.execute("SELECT states FROM base ORDER BY part"):
            states.update(decode(part))
        blocks = self._database.execute("SELECT states FROM block WHERE version <= ? ORDER BY version", (version,))
        for (block,) in blocks:
            states.update(decode(block))
        for key in [key for key, state in states.items() if state == _FORGOTTEN]:
            del states[key]
        return states

    def _merge(self, settled: int) -> None:
        states = list(self._load(settled).items())
        run = self._database.execute
        run("DELETE FROM base")
        run("DELETE FROM block WHERE version <= ?", (settled,))
        self._base_bytes = 0
        for part, start in enumerate(range(0, len(states), _PART_KEYS)):
            block = self._encode(dict(states[start : start + _PART_KEYS]))
            run("INSERT INTO base VALUES (?, ?)", (part, block))
            self._base_bytes += len(block)
        run("UPDATE progress SET settled = max(settled, ?)", (settled,))
        self._block_bytes = 0

    def _return_to(self, path: Path, version: int) -> None:
        run = self._database.execute
        settled, latest, saved_layout = run("SELECT settled, latest, layout FROM progress").fetchone()
        layouts = _layouts(self._type)
        if version == 0:
            self._database.executescript("DELETE FROM base; DELETE FROM block;")
        elif saved_layout not in layouts:
            raise LostState(f"{path}: was saved by a version of Liveshelf whose {self._type.__name__} differs. {_ANEW}")
        elif not settled <= version <= latest:
            raise LostState(
                f"{path}: must hold version {version}, which the recovery store names; got {settled} to {latest}. "
                f"Restore recovery/, state/ and history/ from one backup. {_ANEW}"
            )
        run("BEGIN")
        run("DELETE FROM block WHERE version > ?", (version,))
        run("UPDATE progress SET settled = min(settled, ?), latest = ?, layout = ?", (version, version, layouts[0]))
        run("COMMIT")


def _layouts(state_type: type[msgspec.Struct]) -> list[str]:
    """Return the layout of the states, and those of earlier versions that lack fields at its end.

    A state that is encoded as an array is read with the defaults of the fields it lacks at its end.
    """
    info = msgspec.inspect.type_info(state_type)
    layouts = [str(info)]
    if isinstance(info, msgspec.inspect.StructType) and info.array_like:
        fields = info.fields
        while fields and not fields[-1].required:
            fields = fields[:-1]
            layouts.append(str(msgspec.structs.replace(info, fields=fields)))
    return layouts

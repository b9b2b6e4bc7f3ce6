"""Part-files of the history's tables, written so that a crash neither loses nor doubles a row.

Each writer numbers its part-files from 1 without a gap, for all tables together. Its caller saves the number in its
own snapshot; when it starts again from that snapshot, files with higher numbers are dropped, since their rows will
come again. Small files are merged once they are well behind any snapshot that could still be returned to.
"""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.erasure.control import EraseControl
from recommender.features import FeatureRow, Interaction
from recommender.history.erasing import NOBODY, PERSONAL_TABLES, SESSION, USER, Persons, files_with, without
from recommender.history.schema import EVENTS, SCHEMAS, table_of_events, table_of_rows

_EMPTY = "empty.parquet"
_PART, _MERGED = "part-", "merged-"
_MERGE_AT = 48
"""Small files of one writer and table at which they are merged."""
_SETTLED = 16
"""How many snapshots back is surely behind any that could be returned to."""


def parts_glob(history_dir: Path, table: str) -> str:
    """Return the pattern that all part-files of a table match."""
    return str(history_dir / table / "*.parquet")


def part_files(history_dir: Path, table: str) -> list[Path]:
    """Return the part-files of a table that together hold each row once: small files already merged are left out."""
    paths = sorted(path for path in (history_dir / table).glob("*.parquet") if path.name != _EMPTY)
    merged_until: dict[str, int] = {}
    for path in paths:
        if path.name.startswith(_MERGED):
            writer = path.stem.removeprefix(_MERGED).rsplit("-", 2)[0]
            merged_until[writer] = max(merged_until.get(writer, 0), _last_number(path))
    return [
        path
        for path in paths
        if path.name.startswith(_MERGED) or _last_number(path) > merged_until.get(_writer(path), 0)
    ]


def ensure_tables(history_dir: Path) -> None:
    """Make the folder of every table, each with a file without rows, so that readers of an empty table find one."""
    for table, schema in SCHEMAS.items():
        path = history_dir / table / _EMPTY
        if not path.exists() or pq.read_schema(path) != schema:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(schema.empty_table(), path)


def _write(table: pa.Table, path: Path) -> None:
    beside = path.with_name(f".{path.name}.writing")
    with beside.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


class ForeignHistory(RuntimeError):
    """The part-files do not go with the snapshot that the stream starts from."""


class HistoryWriter:
    """Writes the part-files of one writer.

    Args:
        history_dir: folder of the history.
        writer: name of this writer, unique among those that run together, stable over restarts.
        last_number: number of the last part that counts; parts behind it are dropped.

    Raises:
        ForeignHistory: there are more parts behind it than a crash can leave.
    """

    def __init__(self, history_dir: Path, writer: str, last_number: int) -> None:
        self._dir = history_dir
        self._writer = writer
        self._number = last_number
        self._rows: dict[str, list[FeatureRow]] = {}
        self._events: list[Interaction] = []
        self._merged: dict[str, list[Path]] = {}
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="history")
        self._merging: Future[None] | None = None
        """What goes on beside the caller's work: merging, or erasing, never both."""
        self._erasing = NOBODY
        """Who is to be erased from the parts written before the next flush."""
        self._sweeping = False
        """The next flush returns only when they are."""
        self._erase_until: dict[str, int] = {}
        """Erasure to the number of the last part that it concerns."""
        self._upto = 0
        self._resumed = last_number
        ensure_tables(history_dir)
        self._refuse_foreign_parts(last_number)
        for table in SCHEMAS:
            for path in (history_dir / table).glob(f".*-{writer}-*.writing"):
                path.unlink()  # a crash has left it
            for path in self._own(table, _PART):
                if not self._merged_until(table) < _last_number(path) <= last_number:
                    path.unlink()

    def _refuse_foreign_parts(self, last_number: int) -> None:
        """Refuse to go on from a snapshot far behind the parts: dropping them would destroy an earlier history."""
        for table in SCHEMAS:
            found = max(map(_last_number, [*self._own(table, _PART), *self._own(table, _MERGED)]), default=0)
            if found > last_number + _SETTLED:
                raise ForeignHistory(
                    f"{self._dir / table}: must not go beyond part {last_number}, where the recovery store stands; "
                    f"got part {found}. Restore recovery/ and state/ to go with it, or move history/ away"
                )

    def add_row(self, row: FeatureRow) -> None:
        """Take a feature row for the next part."""
        self._rows.setdefault(row.view, []).append(row)

    def add_event(self, event: Interaction) -> None:
        """Take a shopper event for the next part."""
        self._events.append(event)

    def erase(self, control: EraseControl) -> None:
        """Leave out of the next part, and remove from those written, what is of these users and sessions.

        The first step of an erasure works beside the caller. The second repeats it, in case that a crash has come
        between, and the next flush returns only when all is done.
        """
        persons = Persons(control.users, control.sessions)
        self._erasing = self._erasing.with_(persons)
        if control.step == "sweep":
            self._sweeping = True
            self._upto = max(self._upto, self._erase_until.pop(control.batch_id, self._resumed))
            return
        self._upto = self._erase_until[control.batch_id] = self._number
        self._events = [
            event
            for event in self._events
            if event.user_id not in persons.users and (event.user_id or event.session_id not in persons.sessions)
        ]
        for view, rows in self._rows.items():
            keys = {USER: persons.users, SESSION: persons.sessions}.get(rows[0].entity if rows else "")
            if keys:
                self._rows[view] = [row for row in rows if row.key not in keys]

    def flush(self) -> int:
        """Write what was taken as new parts; return the number of the last part, to be saved by the caller."""
        number = self._flush()
        if self._erasing is not NOBODY:
            self._start_erasing()
        return number

    def _start_erasing(self) -> None:
        if self._merging is not None:
            self._merging.result()
        self._merging = self._threads.submit(self._erase_rows, self._erasing, self._upto)
        if self._sweeping:
            self._merging.result()
        self._erasing, self._sweeping, self._upto = NOBODY, False, 0

    def _erase_rows(self, persons: Persons, upto: int) -> None:
        """Write the part-files anew that hold rows of theirs. All files count, those that were merged already too."""
        for table in PERSONAL_TABLES:
            files = [*self._own(table, _PART), *self._own(table, _MERGED)]
            files = [path for path in files if _first_number(path) <= upto]
            for path, _ in files_with(table, persons, files):
                _write(without(path, table, persons), path)

    def _flush(self) -> int:
        tables = {view: table_of_rows(rows) for view, rows in self._rows.items() if rows}
        if self._events:
            tables[EVENTS] = table_of_events(self._events)
        if not tables:
            return self._number
        self._number += 1
        part = f"{_PART}{self._writer}-{self._number:09d}.parquet"
        # Arrow works and the disk is waited for without Python's lock.
        for written in [self._threads.submit(_write, table, self._dir / name / part) for name, table in tables.items()]:
            written.result()
        self._rows, self._events = {}, []
        self._start_merging(list(tables))
        return self._number

    def close(self) -> None:
        """End what goes on beside the caller's work. What was taken since the last flush is dropped."""
        self._threads.shutdown()

    def _start_merging(self, tables: list[str]) -> None:
        """Merge what is settled, beside the caller's work; an error comes out at the next call."""
        if self._merging is not None:
            if not self._merging.done():
                return
            self._merging.result()
        self._merging = self._threads.submit(self._merge_all, tables, self._number)

    def _merge_all(self, tables: list[str], number: int) -> None:
        for table in tables:
            self._merge(table, number)

    def _own(self, table: str, level: str) -> list[Path]:
        return sorted((self._dir / table).glob(f"{level}{self._writer}-*.parquet"))

    def _merged_until(self, table: str) -> int:
        return max(map(_last_number, self._own(table, _MERGED)), default=0)

    def _merge(self, table: str, number: int) -> None:
        """Merge settled small files into one; the ones merged go at the next merge, so that readers can finish."""
        gone = set(self._merged.get(table, ()))
        settled = [
            path for path in self._own(table, _PART) if path not in gone and _last_number(path) <= number - _SETTLED
        ]
        if len(settled) < _MERGE_AT:
            return
        for path in gone:
            path.unlink(missing_ok=True)
        first, last = _last_number(settled[0]), _last_number(settled[-1])
        merged = pa.concat_tables([pq.read_table(path, schema=SCHEMAS[table]) for path in settled])
        _write(merged, self._dir / table / f"{_MERGED}{self._writer}-{first:09d}-{last:09d}.parquet")
        self._merged[table] = settled


def _writer(path: Path) -> str:
    return path.stem.removeprefix(_PART).rpartition("-")[0]


def _first_number(path: Path) -> int:
    return int(path.stem.split("-")[-2 if path.name.startswith(_MERGED) else -1])


def _last_number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])

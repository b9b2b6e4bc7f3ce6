"""Files of rows, plain or gzip, read as a stream and never as a whole."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from recommender.loaders.parquet import PARQUET_MAGIC
from recommender.loaders.rows import (
    BadRow,
    Loaded,
    LoadedEvent,
    MissingFile,
    RawEvent,
    UnmappableRow,
    UnreadableFile,
    WrongFormat,
)

_GZIP_MAGIC = b"\x1f\x8b"
_FINGERPRINT_BYTES = 4_096
_TEXT_LENGTH = 2_000


class Record(NamedTuple):
    """One row of a file, split into its fields."""

    line_number: int
    """The line on which the row begins, from 1."""
    fields: Sequence[str]
    problem: str = ""
    """Why the row cannot be split or decoded; empty when it can."""


class SourceFile:
    """One file of a data set."""

    def __init__(self, path: Path, dataset: str) -> None:
        self.path = path
        self.name = path.name
        self._dataset = dataset
        self._raw: BinaryIO | None = None
        self._bytes_done = 0
        try:
            self.size_bytes = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MissingFile(f"{path}: {error.strerror}") from None
        except OSError as error:
            raise UnreadableFile(f"{path}: {error.strerror}") from None
        with self.opened() as stream:
            self.head = stream.read(_FINGERPRINT_BYTES)
        self._bytes_done = 0
        self.fingerprint = hashlib.blake2b(self._marks(), digest_size=4).hexdigest()

    def event_id(self, line_number: int, part: str = "") -> str:
        """Return the id of the event of a row: the same one whenever the same file is read.

        The fingerprint, of the first 4 KiB as they are unpacked (Parquet: and the last), tells files of one data set
        apart. A text file may grow at its end; a Parquet file, whose columns lie one after another, may not.
        """
        return f"{self._dataset}-{self.fingerprint}-{line_number}{part}"

    def _marks(self) -> bytes:
        if not self.head.startswith(PARQUET_MAGIC):
            return self.head
        with self.opened() as stream:
            stream.seek(max(0, self.size_bytes - _FINGERPRINT_BYTES))
            tail = stream.read()
        self._bytes_done = 0
        return self.head + tail

    @property
    def bytes_read(self) -> int:
        """How much of the file, as it lies on disk, has been read [bytes]."""
        return self._raw.tell() if self._raw is not None else self._bytes_done

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the file, unpacked.

        Raises:
            UnreadableFile: it cannot be opened, is cut short, or its gzip data is damaged.
        """
        try:
            with self.path.open("rb") as raw:
                self._raw = raw
                packed = raw.read(2) == _GZIP_MAGIC
                raw.seek(0)
                try:
                    yield io.BufferedReader(gzip.GzipFile(fileobj=raw), 1 << 17) if packed else raw
                finally:
                    self._bytes_done, self._raw = raw.tell(), None
        except EOFError:
            raise UnreadableFile(f"{self.path}: the gzip data ends too early; the file is cut short") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise UnreadableFile(f"{self.path}: the gzip data is damaged ({error})") from None
        except OSError as error:
            raise UnreadableFile(f"{self.path}: {error.strerror or error}") from None

    def first_line(self, encoding: str = "utf-8-sig") -> str:
        """Return the first line without its end."""
        return self.head.partition(b"\n")[0].rstrip(b"\r").decode(encoding, "replace")

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not empty, with their numbers from 1."""
        with self.opened() as stream:
            for line_number, line in enumerate(stream, 1):
                stripped = line.strip()
                if stripped:
                    yield line_number, stripped

    def records(self, delimiter: str = ",", *, quoted: bool = True, encoding: str = "utf-8-sig") -> Iterator[Record]:
        """Yield the rows of a delimited file; empty lines are no rows."""
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        with self.opened() as stream:
            # surrogateescape marks bytes that cannot be decoded, so that they spoil their own row alone
            text = io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")
            reader = csv.reader(text, delimiter=delimiter, quoting=quoting)
            while True:
                line_number = reader.line_num + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    yield Record(line_number, (), f"row: cannot be split into fields ({error})")
                    continue
                if fields:
                    yield Record(line_number, fields, "" if _is_decoded(fields) else "row: must be UTF-8")

    def columns(
        self, names: Sequence[str], delimiter: str = ",", *, quoted: bool = True, encoding: str = "utf-8-sig"
    ) -> Iterator[Record]:
        """Yield the named columns, in that order, of a delimited file whose first line names its columns.

        Args:
            names: at least two columns.
            delimiter: stands between the fields.
            quoted: whether a field may stand in double quotes.
            encoding: that of the file.

        Raises:
            WrongFormat: the first line lacks one of them.
        """
        records = self.records(delimiter, quoted=quoted, encoding=encoding)
        header = [name.strip() for name in next(records, Record(1, ())).fields]
        missing = [name for name in names if name not in header]
        if missing:
            raise WrongFormat(
                f"{self.path}: the first line must name the columns {', '.join(names)}; got {self.first_line()[:200]!r}"
            )
        pick = itemgetter(*(header.index(name) for name in names))
        width = len(header)
        for record in records:
            if len(record.fields) == width:
                yield record._replace(fields=pick(record.fields))
            else:
                problem = record.problem or f"row: must have {width} columns; got {len(record.fields)}"
                yield record._replace(problem=problem)

    def bad_row(self, line_number: int, reason: str, text: str) -> BadRow:
        """Return a row of this file that cannot be mapped."""
        return BadRow(self.name, line_number, reason, text.encode("utf-8", "backslashreplace").decode()[:_TEXT_LENGTH])


def map_records(
    source: SourceFile, records: Iterable[Record], to_event: Callable[[Sequence[str]], RawEvent]
) -> Iterator[Loaded]:
    """Return the events of records, each with its id; a record of which none can be made becomes a bad row.

    Args:
        source: where the records come from.
        records: rows.
        to_event: makes an event without its id of the fields of a row; raises `UnmappableRow`.
    """
    return (map_record(source, record, to_event) for record in records)


def map_record(source: SourceFile, record: Record, to_event: Callable[[Sequence[str]], RawEvent]) -> Loaded:
    """Return the event of one record, with its id, or the record as a bad row."""
    problem = record.problem
    if not problem:
        try:
            event = to_event(record.fields)
        except UnmappableRow as error:
            problem = str(error)
        else:
            event["event_id"] = source.event_id(record.line_number)
            return LoadedEvent(source.name, record.line_number, event)
    return source.bad_row(record.line_number, problem, ",".join(record.fields))


def expect_columns(fields: Sequence[str], count: int) -> None:
    """Refuse a row of another number of columns.

    Raises:
        UnmappableRow: the number differs.
    """
    if len(fields) != count:
        raise UnmappableRow(f"row: must have {count} columns; got {len(fields)}")


def _is_decoded(fields: Sequence[str]) -> bool:
    text = "".join(fields)
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

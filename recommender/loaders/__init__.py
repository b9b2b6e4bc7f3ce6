"""Loaders: public data sets and your own files, as streams of events."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from recommender.loaders import generic, movielens, online_retail, otto, rees46, retailrocket, taobao, yoochoose
from recommender.loaders.rows import (
    BadRow,
    Format,
    Loaded,
    LoadedEvent,
    LoaderError,
    MissingFile,
    RawEvent,
    UnknownDataset,
    UnreadableFile,
    WrongFormat,
)
from recommender.loaders.source import SourceFile

FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT
    for module in (taobao, online_retail, movielens, yoochoose, otto, retailrocket, rees46, generic)
}

_PROOF_ROWS = 100
"""How many rows may fail from the beginning before the file is taken to be of another format."""


class Loader:
    """A data set on disk. Each pass over it yields the same events with the same ids."""

    def __init__(self, form: Format, paths: list[Path]) -> None:
        self.dataset = form.name
        self._read = form.read
        self._sources = [SourceFile(path, form.name) for path in paths]
        self.total_bytes = sum(source.size_bytes for source in self._sources)

    @property
    def bytes_read(self) -> int:
        """How much of the files has been read [bytes]."""
        return sum(source.bytes_read for source in self._sources)

    def __iter__(self) -> Iterator[Loaded]:
        """Yield events and bad rows in the order of the files.

        Raises:
            WrongFormat: the header is wrong, or each of the first rows is bad.
            UnreadableFile: a file is cut short or damaged; what was whole before it has been yielded.
        """
        held: list[BadRow] = []
        rows = self._read(self._sources)
        for loaded in rows:
            if isinstance(loaded, LoadedEvent):
                yield from held
                yield loaded
                yield from rows
                return
            held.append(loaded)
            if len(held) == _PROOF_ROWS:
                break
        if held:
            first = held[0]
            raise WrongFormat(
                f"{first.file}: must be in the format {self.dataset}, but each of its first {len(held)} rows fails; "
                f"line {first.line_number}: {first.reason}"
            )


def open_loader(dataset: str, path: Path) -> Loader:
    """Open a data set.

    Args:
        dataset: a name in `FORMATS`.
        path: a file, plain or gzip; or a folder, where the format has several files.

    Raises:
        UnknownDataset: there is no such format.
        WrongFormat: the folder has no file of the format.
        MissingFile: there is no such file.
        UnreadableFile: it is there, but damaged or not to be read.
    """
    form = FORMATS.get(dataset)
    if form is None:
        raise UnknownDataset(f"dataset: must be one of {', '.join(FORMATS)}; got {dataset!r}")
    return Loader(form, _files(form, path) if path.is_dir() else [path])


def _files(form: Format, folder: Path) -> list[Path]:
    if not form.patterns:
        raise WrongFormat(f"{folder}: {form.name} is read from a file; got a folder")
    found = dict.fromkeys(
        path for pattern in form.patterns for path in sorted({*folder.glob(pattern), *folder.glob(f"{pattern}.gz")})
    )
    if not found:
        raise WrongFormat(f"{folder}: must hold {form.name} files ({', '.join(form.patterns)}, each also as .gz)")
    return list(found)


__all__ = [
    "FORMATS",
    "BadRow",
    "Loaded",
    "LoadedEvent",
    "Loader",
    "LoaderError",
    "MissingFile",
    "RawEvent",
    "UnknownDataset",
    "UnreadableFile",
    "WrongFormat",
    "open_loader",
]

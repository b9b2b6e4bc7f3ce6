"""Keeps the surfaces in step with the shop's file, without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path

from recommender.serving.surfaces.book import MOST_BYTES, BadSurfaces, Book, built_in, read_book

_LOOK_EVERY_S = 0.5
_GONE = 'it is gone, and what it said stays in service; "surfaces: {}" in it gives those of every shop'
_Signs = tuple[int, int, int] | None

_log = logging.getLogger(__name__)


class SurfaceWatcher:
    """Looks at the file twice a second. A file that breaks a rule, or is gone, leaves what it said before in service.

    So does one that does at the beginning, by the copy that is kept of what was in service.

    Args:
        path: of the file; where there never was one, the surfaces are those that every shop has.
        kept: where the copy is kept; several processes may keep theirs at one place.

    Raises:
        BadSurfaces: the file that is there at the beginning breaks a rule, and there is no copy. To go on without what
            it says, as of limits of age, would show what must not be shown.
    """

    def __init__(self, path: Path, kept: Path | None = None) -> None:
        self._path = path
        self._kept = kept
        self._signs = _signs(path)
        self.book, self.problem = begin(path, kept)
        """``problem``: why the file as it is now is not in service."""
        if self.problem:
            _log.error("surfaces: %s is not in service, but what was kept of it; %s", path.name, self.problem)
        elif self._signs:
            self._keep(self.book)

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take the file into service if it has changed."""
        signs = await asyncio.to_thread(_signs, self._path)
        if signs == self._signs:
            return
        self._signs = signs
        try:
            if signs is None:
                raise BadSurfaces([_GONE])
            book = await asyncio.to_thread(read_file, self._path)
        except BadSurfaces as error:
            self.problem = str(error)
            _log.error("surfaces: %s is not taken into service; %s", self._path.name, error)
        except Exception as error:
            self.problem = f"must be readable; {type(error).__name__}"
            _log.exception("surfaces: %s is not taken into service", self._path.name)
        else:
            self.book, self.problem = book, None
            _log.info("surfaces: %s in service", self._path.name)
            await asyncio.to_thread(self._keep, book)

    def _keep(self, book: Book) -> None:
        """Keep a copy of the file that is in service, whole or not at all."""
        if self._kept is None:
            return
        beside = self._kept.with_name(f".{self._kept.name}.{os.getpid()}")
        try:
            if self._kept.exists() and self._kept.read_text("utf-8") == book.text:
                return
            beside.write_text(book.text, "utf-8")
            beside.replace(self._kept)
        except (OSError, UnicodeDecodeError) as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            _log.warning("surfaces: no copy could be kept; %s", type(error).__name__)


def begin(path: Path, kept: Path | None) -> tuple[Book, str | None]:
    """Return what an API that starts now takes into service, and why it is not the file, if it is not.

    Raises:
        BadSurfaces: the file breaks a rule, and there is no copy of what was in service before.
    """
    there = _signs(path) is not None
    try:
        if there:
            return read_file(path), None
    except BadSurfaces as error:
        refused = error
    if kept is None or _signs(kept) is None:
        if there:
            raise refused
        return built_in(), None
    return read_file(kept), str(refused) if there else _GONE


def read_file(path: Path) -> Book:
    """Read a file of surfaces.

    Raises:
        BadSurfaces: it cannot be read, or breaks a rule.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSurfaces([f"must be a readable file in UTF-8; {type(error).__name__}"]) from error
    return read_book(text)


def _signs(path: Path) -> _Signs:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

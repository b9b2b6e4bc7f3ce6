"""Keeps the surfaces in step with the shop's file, without a restart."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from recommender.serving.surfaces.book import BadSurfaces, Book, built_in, read_book

_LOOK_EVERY_S = 0.5
_Signs = tuple[int, int, int] | None

_log = logging.getLogger(__name__)


class SurfaceWatcher:
    """Looks at the file twice a second. A file that breaks a rule leaves the surfaces before it in service.

    Args:
        path: of the file; where there is none, the surfaces are those that every shop has.

    Raises:
        BadSurfaces: the file that is there at the beginning breaks a rule. To go on without what it says, as of limits
            of age, would show what must not be shown.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signs = _signs(path)
        self.book: Book = _read(path) if self._signs else built_in()
        self.problem: str | None = None
        """Why the file as it is now is not in service."""

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
            self.book = await asyncio.to_thread(_read, self._path) if signs else built_in()
            self.problem = None
            _log.info("surfaces: %s in service", self._path.name if signs else "those of every shop")
        except BadSurfaces as error:
            self.problem = str(error)
            _log.error("surfaces: %s is not taken into service; %s", self._path.name, error)


def _read(path: Path) -> Book:
    try:
        return read_book(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise BadSurfaces([f"must be a readable file in UTF-8; {type(error).__name__}"]) from error


def _signs(path: Path) -> _Signs:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino

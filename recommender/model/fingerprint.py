"""Whether files have changed, without reading them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

Fingerprint = tuple[tuple[str, int, int, int], ...]
"""Name, number on the disk, size and time of change of files."""


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """Return another value once one of the files has changed, come or gone."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        found.append((path.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)

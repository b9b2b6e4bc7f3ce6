"""Files of the data folder that hold parts of what came: rows that a load refused, and what was last validated."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec

from recommender.erasure.naming import named_in_text
from recommender.history.erasing import Persons
from recommender.installation import Installation, write_atomically


class _Reject(msgspec.Struct):
    row: str | None = None
    event: Any = None


def clean_files(installation: Installation, persons: Persons) -> int:
    """Remove refused rows that name them, and what validation has kept beside the history; return how many rows."""
    removed = sum(_clean_rejects(path, persons) for path in sorted(installation.rejects_dir.glob("*.jsonl")))
    if installation.validation_dir.exists():
        shutil.rmtree(installation.validation_dir / "sample", ignore_errors=True)
        for path in installation.validation_dir.rglob("*"):
            if path.is_file() and path.suffix in {".json", ".html"} and _mentions(path, persons):
                path.unlink()
    return removed


def _clean_rejects(path: Path, persons: Persons) -> int:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not _names(line, persons)]
    if len(kept) < len(lines):
        write_atomically(path, b"".join(kept))
    return len(lines) - len(kept)


def _names(line: bytes, persons: Persons) -> bool:
    try:
        reject = msgspec.json.decode(line, type=_Reject)
    except msgspec.DecodeError:  # half a line
        return any(named_in_text(line.decode("utf-8", "replace"), persons))
    if reject.event is not None:
        return any(named_in_text(msgspec.json.encode(reject.event).decode(), persons))
    return any(named_in_text(f"row {reject.row}", persons))


def _mentions(path: Path, persons: Persons) -> bool:
    text = path.read_text("utf-8", "replace")
    return any(
        mark in text
        for name in persons.users | persons.sessions
        for mark in (f"'{name}'", f'"{name}"', f">{name}<", f"&#39;{name}&#39;", f"&quot;{name}&quot;")
    )

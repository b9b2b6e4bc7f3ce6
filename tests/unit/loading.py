"""What a loader makes of a file, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from recommender.events import decode_event
from recommender.loaders import BadRow, open_loader


def load(dataset: str, path: Path) -> list[Any]:
    """Events without their ids, those beside the rows marked; bad rows as line and reason."""
    found: list[Any] = []
    for loaded in open_loader(dataset, path):
        if isinstance(loaded, BadRow):
            found.append((loaded.line_number, loaded.reason))
            continue
        decode_event(orjson.dumps(loaded.event))
        event = {name: value for name, value in loaded.event.items() if name != "event_id"}
        found.append(event | ({"beside": True} if loaded.beside else {}))
    return found


def lines(path: Path, *rows: str, encoding: str = "utf-8") -> Path:
    path.write_text("".join(f"{row}\n" for row in rows), encoding=encoding)
    return path

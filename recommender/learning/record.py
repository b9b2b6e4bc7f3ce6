"""What the learner writes down: for ``liveshelf status``, and for itself after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from recommender.installation import write_atomically

Phase = Literal["waiting", "learning", "stopped"]


class LearningRecord(msgspec.Struct, kw_only=True):
    """How far learning has come. It is written at each publication and each fallback, and now and then between."""

    phase: Phase = "waiting"
    """``waiting`` for a full training that can be learned on from; ``stopped`` after too many fallbacks, until the
    next one."""
    version: str = ""
    """The version it goes on from: published last, or the parent."""
    parent: str = ""
    """The full version that it is compared with, and falls back to."""
    log_position: dict[str, str] = {}
    """Partition to the position up to which that version has learned, or was not to learn."""
    rate_ratio: float = 1.0
    """Halved by each fallback."""
    fallbacks: int = 0
    """Since the parent was trained [count]."""
    examples: int = 0
    """Learned since the parent was trained [count]."""
    tested: int = 0
    skipped_events: int = 0
    behind_seconds: float = 0.0
    shopper_features: int = 0
    item_features: int = 0
    hit_rate: float = 0.0
    """Progressive hit rate at 20, faded; likewise the others."""
    mrr: float = 0.0
    parent_hit_rate: float = 0.0
    parent_mrr: float = 0.0
    updated_at: str = ""
    """ISO 8601, UTC."""


def read_record(path: Path) -> LearningRecord | None:
    """Return what was written last; None where nothing was, or nothing that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LearningRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_record(path: Path, record: LearningRecord) -> None:
    """Write it down; atomic."""
    write_atomically(path, msgspec.json.format(msgspec.json.encode(record)) + b"\n")

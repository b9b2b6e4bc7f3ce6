"""What each process of a cluster notes of itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Marks(msgspec.Struct):
    """Moments of the monotonic clock, which all processes of a computer share, and what a process has used."""

    began: float | None
    """When its source first gave anything; None when no partition of it held any event."""
    ended: float
    cpu_s: float
    """From the end of its imports."""
    peak_rss_mb: float


def together(processes: Sequence[Marks]) -> dict[str, Any]:
    """Return what a cluster took: from the first batch that any process got until the last one has ended."""
    began = [marks.began for marks in processes if marks.began is not None]
    return {
        "wall_s": max(marks.ended for marks in processes) - min(began),
        "cpu_s": sum(marks.cpu_s for marks in processes),
        "cpu_s_of_each": sorted((round(marks.cpu_s, 2) for marks in processes), reverse=True),
        "peak_rss_mb": round(sum(marks.peak_rss_mb for marks in processes), 1),
    }

"""What a model version says of itself."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = 3
"""Version of the layout of a model's files."""
PROGRESSIVE = "progressive_"
"""Begins the names of the metrics that an online version has from its own examples; the others are its parent's."""


class Manifest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The manifest of a model version. Times are ISO 8601, UTC."""

    format: int = FORMAT
    version: str = ""
    created_at: str = ""
    kind: Literal["full", "online"] = "full"
    """Whether it was trained on the history, or learned from the event log since another version."""
    parent: str = ""
    """The version that an online one began from."""
    log_position: dict[str, str] = {}
    """Partition of the event log to the position up to which an online version has learned."""
    data_from: str
    data_to: str
    events: int
    """Events in the data range that could have been examples."""
    examples: int
    """Those that were trained on: fewer than ``events`` where an even sample was taken."""
    users: int
    items: int
    features: int
    epochs: int
    seconds: float
    metrics: dict[str, float]
    """On the last part in time, by a model that had not seen it."""
    tested: int = 0
    """Questions that these are taken from."""
    baselines: dict[str, dict[str, float]]
    parameters: dict[str, Any]
    feature_service: str
    feature_views: list[str]
    git_revision: str | None = None
    embedding_size: int = 0
    files: dict[str, str] = {}
    """File to the SHA-256 of its content."""

    def own_metrics(self) -> dict[str, float]:
        """Return the metrics without those that an online version has from its parent."""
        of_online = self.kind == "online"
        return {name: figure for name, figure in self.metrics.items() if name.startswith(PROGRESSIVE) == of_online}

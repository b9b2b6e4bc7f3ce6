"""What there is to tell of a model version, without loading it to serve."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from recommender.model.manifest import Manifest

_OF_MANIFEST = ("kind", "created_at", "data_from", "data_to", "events", "metrics")


class Overview(NamedTuple):
    """A version as the registry sees it."""

    version: str
    current: bool
    damage: str | None
    """Why it cannot be served."""
    size_bytes: int
    manifest: Manifest | None
    """None where it cannot be read."""

    def summary(self) -> dict[str, Any]:
        """Return it for a list of versions; what an unreadable manifest would say is None."""
        told = {name: getattr(self.manifest, name, None) for name in _OF_MANIFEST}
        told["metrics"] = self.manifest and self.manifest.own_metrics()
        return {
            "version": self.version,
            "current": self.current,
            **told,
            "size_bytes": self.size_bytes,
            "damage": self.damage,
        }

    def whole(self) -> dict[str, Any]:
        """Return all of it."""
        return {
            "version": self.version,
            "current": self.current,
            "size_bytes": self.size_bytes,
            "damage": self.damage,
            "manifest": msgspec.to_builtins(self.manifest),
        }

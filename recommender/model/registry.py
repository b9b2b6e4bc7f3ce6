"""The model versions of an installation, and the one that is current."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from recommender.installation import write_atomically
from recommender.model.artifact import DamagedModel, Model, read_manifest, read_model, write_model
from recommender.model.manifest import Manifest

_CURRENT = "CURRENT"
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{4}")


class ModelRegistry:
    """A folder for each version, and a pointer file ``CURRENT`` that is replaced as a whole."""

    def __init__(self, models_dir: Path) -> None:
        self._dir = models_dir

    def save(self, model: Model, now: datetime | None = None) -> str:
        """Keep a model as a new version and return its name, which sorts by time. It is not made current."""
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        model.manifest.version = f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"
        model.manifest.created_at = moment.isoformat(timespec="seconds")
        beside = self._dir / f".{model.version}.{os.getpid()}"
        try:
            write_model(model, beside)
            beside.rename(self._dir / model.version)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return model.version

    def activate(self, version: str) -> None:
        """Make a version current, once all of it could be read.

        Raises:
            DamagedModel: it cannot be served; the current version stays.
        """
        self.load(version)
        write_atomically(self._dir / _CURRENT, f"{version}\n".encode())

    def current_version(self) -> str | None:
        """Return the current version's name, or None if there is none yet."""
        try:
            return (self._dir / _CURRENT).read_text().strip() or None
        except FileNotFoundError:
            return None

    def versions(self) -> list[str]:
        """Return the names of all versions, the oldest first."""
        if not self._dir.is_dir():
            return []
        return sorted(path.name for path in self._dir.iterdir() if _VERSION.fullmatch(path.name))

    def manifest(self, version: str) -> Manifest:
        """Return what a version says of itself.

        Raises:
            DamagedModel: there is no such version, or its manifest cannot be read.
        """
        return read_manifest(self._folder(version))

    def load(self, version: str) -> Model:
        """Read a version whole.

        Raises:
            DamagedModel: there is no such version, or one of its files breaks a rule.
        """
        return read_model(self._folder(version))

    def load_current(self) -> Model | None:
        """Read the current version, or return None if there is none yet.

        Raises:
            DamagedModel: it cannot be served.
        """
        version = self.current_version()
        return self.load(version) if version else None

    def _folder(self, version: str) -> Path:
        if not _VERSION.fullmatch(version):
            raise DamagedModel(f"model version: must look like 20261122T081500-0a1b; got {version!r}")
        return self._dir / version

"""The model versions of an installation, and the one that is current."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import psutil

from recommender.folder_lock import lock_folder
from recommender.installation import write_atomically
from recommender.model.activations import Activation, Activations, trail
from recommender.model.artifact import (
    DamagedModel,
    Model,
    read_content,
    read_gradients,
    read_manifest,
    read_model,
    write_model,
)
from recommender.model.fingerprint import Fingerprint, fingerprint
from recommender.model.manifest import Manifest
from recommender.model.overview import Overview

KEPT = 5
"""Versions that pruning leaves, unless told [count]."""
_CURRENT = "CURRENT"
_ACTIVATIONS = "ACTIVATIONS"
_VERSION = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{4}")
_ABANDONED = re.compile(rf"\.{_VERSION.pattern}\.[0-9]+")
_LOCK_WAIT_S = 30.0
_ONLINE = 1
"""What an online version is worth when some have to go: more than an unreadable one, less than a full one."""
_FRESH = timedelta(minutes=10)
"""For so long a new version that was never current is kept: whoever made it may be about to activate it."""


class UnknownModel(DamagedModel):
    """The registry has no such version."""


class NoEarlierModel(RuntimeError):
    """No version that was current before can be served; the text tells of those tried."""


class OtherModelCurrent(RuntimeError):
    """Somebody else has made another version current meanwhile."""


class Activated(NamedTuple):
    """What an activation or a rollback did."""

    version: str
    before: str | None
    """The version that was current until then; the same one where nothing changed."""
    skipped: dict[str, str]
    """Versions that a rollback passed over, with the reason."""


class Pruned(NamedTuple):
    """What pruning did."""

    removed: list[str]
    kept: list[str]
    freed_bytes: int


class ModelRegistry:
    """A folder for each version, and a pointer file ``CURRENT`` that is replaced as a whole.

    Whoever changes the pointer, or removes versions, holds the lock of the folder; readers need none.

    Args:
        models_dir: the folder.
        serves: whether this process loads what it activates; a version that was just checked is then not read again.
    """

    def __init__(self, models_dir: Path, *, serves: bool = False) -> None:
        self._dir = models_dir
        self._serves = serves
        self._just_read: tuple[Fingerprint, Model] | None = None
        self._activations = Activations(models_dir / _ACTIVATIONS)
        self._checked: dict[str, tuple[Fingerprint, str | None]] = {}

    def save(self, model: Model, now: datetime | None = None) -> str:
        """Keep a model as a new version and return its name, which sorts by time. It is not made current."""
        moment = (now or datetime.now(UTC)).astimezone(UTC)
        model.manifest.version = self._free_name(moment)
        model.manifest.created_at = moment.isoformat(timespec="seconds")
        beside = self._dir / f".{model.version}.{os.getpid()}"
        try:
            write_model(model, beside)
            beside.rename(self._dir / model.version)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        return model.version

    def _free_name(self, moment: datetime) -> str:
        """Return a name that no version has; it ends in 65,536ths of the second, so that names sort by time."""
        part = moment.microsecond * 65_536 // 1_000_000
        while (self._dir / (name := f"{moment:%Y%m%dT%H%M%S}-{part:04x}")).exists():
            part = (part + 1) % 65_536
        return name

    def activate(
        self, version: str, *, reason: str = "", instead_of: str | None = None, now: datetime | None = None
    ) -> Activated:
        """Make a version current, once all of it could be read.

        Where it is current already nothing changes, but who has refused it tries it again.

        Args:
            version: its name.
            reason: noted with the activation.
            instead_of: the version that has to be current until then.
            now: when it happens.

        Raises:
            DamagedModel: it cannot be served; the current version stays.
            OtherModelCurrent: another version is current than the one that has to be; it stays.
            FolderInUse: others have been changing the current version for half a minute.
        """
        with self._locked("activate"):
            self._check(version)
            if instead_of is not None and (current := self.current_version()) != instead_of:
                raise OtherModelCurrent(f"models activate: {instead_of} must be current; got {current}")
            return self._point_to(version, "activate", reason, now)

    def rollback(self, *, reason: str = "", now: datetime | None = None) -> Activated:
        """Make the version current that was so before, passing over those that cannot be served.

        Raises:
            NoEarlierModel: there is none; the current version stays.
            FolderInUse: others have been changing the current version for half a minute.
        """
        with self._locked("rollback"):
            target, skipped = self._earlier()
            if target is None:
                tried = "".join(f"; {version} cannot be served: {why}" for version, why in skipped.items())
                raise NoEarlierModel(
                    f"models: a version that was current before {self.current_version() or 'any'} must be there{tried}"
                )
            return self._point_to(target, "rollback", reason, now)._replace(skipped=skipped)

    def prune(self, keep: int = KEPT, *, now: datetime | None = None) -> Pruned:
        """Remove versions until ``keep`` are left: damaged ones first, then online ones, the oldest first.

        The current version stays, the one that a rollback would go to, and a new one that was never current; so do the
        parents of those that learned on, which learning falls back to.

        Raises:
            FolderInUse: others have been changing the current version for half a minute.
        """
        with self._locked("prune"):
            self._remove_abandoned()
            versions = self.versions()
            spared = {self.current_version(), self._earlier()[0], *self._fresh(versions, now or datetime.now(UTC))}
            spared |= self._parents(spared)
            rest = [version for version in versions if version not in spared]
            ranked = sorted((self._worth(version) if self.damage(version) is None else 0, version) for version in rest)
            removed = [version for _, version in ranked[: max(0, len(versions) - keep)]]
            freed = sum(self.size_bytes(version) for version in removed)
            for version in removed:
                self._remove(self._dir / version)
                self._checked.pop(version, None)
        return Pruned(sorted(removed), [version for version in versions if version not in removed], freed)

    def prune_online(self, keep: int) -> list[str]:
        """Remove all online versions but the latest ``keep``, and return their names.

        The current version stays, and the one that a rollback would go to.

        Raises:
            FolderInUse: others have been changing the current version for half a minute.
        """
        with self._locked("prune"):
            self._remove_abandoned()
            online = [version for version in self.versions() if self._worth(version) == _ONLINE]
            spared = {self.current_version(), self._earlier()[0], *online[max(0, len(online) - keep) :]}
            removed = [version for version in online if version not in spared]
            for version in removed:
                self._remove(self._dir / version)
                self._checked.pop(version, None)
        return removed

    def current_version(self) -> str | None:
        """Return the current version's name, or None if there is none yet."""
        try:
            return (self._dir / _CURRENT).read_text().strip() or None
        except FileNotFoundError:
            return None

    def named(self, name: str) -> str:
        """Return a version by its name, or the current one by the name ``current``.

        Raises:
            UnknownModel: there is no such version.
        """
        if name != "current":
            return self._folder(name).name
        version = self.current_version()
        if version is None:
            raise UnknownModel("model version: none is current yet; got 'current'")
        return self._folder(version).name

    def versions(self) -> list[str]:
        """Return the names of all versions, the oldest first."""
        if not self._dir.is_dir():
            return []
        return sorted(path.name for path in self._dir.iterdir() if _VERSION.fullmatch(path.name))

    def history(self) -> list[Activation]:
        """Return the changes of the current version, the oldest first."""
        return self._activations.read()

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
        folder = self._folder(version)
        just_read, self._just_read = self._just_read, None
        if just_read is not None and just_read[0] == self._fingerprint(version):
            return just_read[1]
        return read_model(folder)

    def load_current(self) -> Model | None:
        """Read the current version, or return None if there is none yet.

        Raises:
            DamagedModel: it cannot be served.
        """
        version = self.current_version()
        return self.load(version) if version else None

    def damage(self, version: str) -> str | None:
        """Return why a version cannot be served, None where it can. Files are read again only once they change."""
        found = self._fingerprint(version)
        known = self._checked.get(version)
        if known is None or known[0] != found:
            known = self._checked[version] = (found, self._damage(version))
            self._just_read = None
        return known[1]

    def overviews(self) -> list[Overview]:
        """Return what there is to know of all versions, the oldest first."""
        found = []
        for version in self.versions():
            with suppress(UnknownModel):  # removed just now
                found.append(self.overview(version))
        return found

    def overview(self, version: str) -> Overview:
        """Return what there is to know of a version.

        Raises:
            UnknownModel: there is no such version.
        """
        self._folder(version)
        try:
            manifest = self.manifest(version)
        except DamagedModel:
            manifest = None
        current = version == self.current_version()
        return Overview(version, current, self.damage(version), self.size_bytes(version), manifest)

    def folder(self, version: str) -> Path:
        """Return where a version's files lie.

        Raises:
            UnknownModel: there is no such version.
        """
        return self._folder(version)

    def size_bytes(self, version: str) -> int:
        """Return the size of a version's files."""
        return sum(size for _, _, size, _ in self._fingerprint(version))

    def signs(self, version: str) -> object:
        """Return another value once the version's files have changed, or any version has been activated."""
        return fingerprint([self._dir / _CURRENT]), self._fingerprint(version)

    def _fingerprint(self, version: str) -> Fingerprint:
        return fingerprint(sorted((self._dir / version).glob("*"))) if _VERSION.fullmatch(version) else ()

    def _point_to(
        self, version: str, act: Literal["activate", "rollback"], reason: str, now: datetime | None
    ) -> Activated:
        """Set the pointer, then note it: if the note is lost, the next one makes up for it."""
        at = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")
        before = self.current_version()
        history = self._activations.read()
        notes = []
        if before is not None and trail(history, None)[-1:] != [before]:
            notes.append(Activation(at, before, "found"))
        if version != before:
            notes.append(Activation(at, version, act, reason))
        write_atomically(self._dir / _CURRENT, f"{version}\n".encode())
        if notes:
            self._activations.append(notes)
        return Activated(version, before, {})

    def _earlier(self) -> tuple[str | None, dict[str, str]]:
        """Return what a rollback goes to, and what it passes over."""
        skipped: dict[str, str] = {}
        current = self.current_version()
        for version in reversed(trail(self._activations.read(), current)[:-1]):
            if version == current or version in skipped:
                continue
            damage = self._damage(version)
            if damage is None:
                return version, skipped
            skipped[version] = damage
        return None, skipped

    def _check(self, version: str) -> None:
        """Read all of a version, what only learning needs included."""
        folder, found = self._folder(version), self._fingerprint(version)
        model = read_model(folder)
        read_gradients(folder)
        read_content(folder)
        if self._serves:
            self._just_read = (found, model)

    def _damage(self, version: str) -> str | None:
        try:
            self._check(version)
        except DamagedModel as error:
            return str(error)
        return None

    def _fresh(self, versions: list[str], now: datetime) -> set[str]:
        """Return the versions made lately that were never current."""
        oldest, newest = (f"{moment.astimezone(UTC):%Y%m%dT%H%M%S}" for moment in (now - _FRESH, now))
        fresh = {version for version in versions if oldest < version[: len(newest)] <= newest}
        return fresh - {each.version for each in self.history()}

    def _parents(self, versions: Iterable[str | None]) -> set[str]:
        """Return the versions that others learned on from."""
        found = set()
        for version in versions:
            try:
                found.add(self.manifest(version or "").parent)
            except DamagedModel:
                continue
        return found - {""}

    def _worth(self, version: str) -> int:
        try:
            return _ONLINE if self.manifest(version).kind == "online" else _ONLINE + 1
        except DamagedModel:
            return 0

    def _remove(self, folder: Path) -> None:
        """Take a folder away so that no reader ever sees half of it as a version."""
        gone = folder if folder.name.startswith(".") else folder.rename(self._dir / f".{folder.name}.{os.getpid()}")
        shutil.rmtree(gone)

    def _remove_abandoned(self) -> None:
        """Remove what killed processes have left half written."""
        for path in self._dir.iterdir():
            if _ABANDONED.fullmatch(path.name) and not psutil.pid_exists(int(path.name.rpartition(".")[2])):
                self._remove(path)

    @contextmanager
    def _locked(self, purpose: str) -> Iterator[None]:
        with lock_folder(self._dir, f"models {purpose}", wait_s=_LOCK_WAIT_S):
            yield

    def _folder(self, version: str) -> Path:
        if not _VERSION.fullmatch(version):
            raise UnknownModel(f"model version: must look like 20261122T081500-0a1b; got {version!r}")
        folder = self._dir / version
        if not folder.is_dir():
            raise UnknownModel(f"model version: must be one that the registry has; got {version}")
        return folder

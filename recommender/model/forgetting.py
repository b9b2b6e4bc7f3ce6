"""Model versions without the users whom an erasure concerns.

A version is otherwise never changed. Here a copy takes its place under the same name: with nothing at the user's row.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from recommender.folder_lock import lock_folder
from recommender.model.artifact import DamagedModel, copy_without
from recommender.model.registry import ModelRegistry

_USER = "user="
_COPY = ".without"
"""Ends the name of a copy that is whole, on its way to the place of the version."""
_WAIT_S = 60.0

_log = logging.getLogger(__name__)


def feature_of(user_id: str) -> str:
    """Return the shopper feature that names a user."""
    return f"{_USER}{user_id}"


class Forgotten(NamedTuple):
    """What became of the versions."""

    counts: dict[str, int]
    """User id to versions that knew of the user [count]."""
    damaged: list[str]
    """Versions that cannot be read, and are left as they are."""


def forget_shoppers(models_dir: Path, users: Collection[str]) -> Forgotten:
    """Take users out of all versions.

    Raises:
        FolderInUse: others have been changing models for a minute.
    """
    done = Forgotten({}, [])
    if not models_dir.is_dir():
        return done
    features = [feature_of(user_id) for user_id in users]
    with lock_folder(models_dir, "models forget", wait_s=_WAIT_S):
        _recover(models_dir)
        for version in ModelRegistry(models_dir).versions():
            try:
                found = _replace(models_dir, version, features)
            except DamagedModel as error:
                _log.warning("%s; it is left as it is", error)
                done.damaged.append(version)
                continue
            for feature in found:
                user_id = feature.removeprefix(_USER)
                done.counts[user_id] = done.counts.get(user_id, 0) + 1
    return done


def _replace(models_dir: Path, version: str, features: Collection[str]) -> list[str]:
    beside = models_dir / f".{version}.{os.getpid()}"
    found = copy_without(models_dir / version, beside, features)
    if found:
        copy = beside.rename(models_dir / f".{version}{_COPY}")
        gone = (models_dir / version).rename(beside)
        copy.rename(models_dir / version)
        shutil.rmtree(gone)
    return found


def _recover(models_dir: Path) -> None:
    """Finish, or undo, what a crash has broken off."""
    for copy in models_dir.glob(f".*{_COPY}"):
        place = models_dir / copy.name.removeprefix(".").removesuffix(_COPY)
        if place.exists():
            shutil.rmtree(copy)
        else:
            copy.rename(place)

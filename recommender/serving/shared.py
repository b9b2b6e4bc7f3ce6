"""The large arrays of a model once for all processes of a machine: in files that each of them maps.

A model's own files are never mapped: who shortened one would end all processes that serve it. What is mapped are copies
of what a process has read and verified, in a folder that is this service's own, in a name that says what they hold.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import psutil

from recommender.folder_lock import FolderInUse, lock_folder
from recommender.model.artifact import Model
from recommender.model.links import Links
from recommender.model.visits import Visits
from recommender.serving.cells import Cells
from recommender.serving.ports import ServableModel

Arrays = dict[str, npt.NDArray[Any]]

_OF_MODEL = ("item_vectors", "item_biases", "shopper_embeddings", "item_embeddings", "item_feature_biases")
_VISITS = ("visits", "histories")
_LINKS = ("followers", "history_followers", "linear")
_CELLS = "cells"
_KEPT = 2
"""Versions whose copies are kept: the one in service and the one before [count]."""
_MAPPED_FROM = 65_536
"""Smaller arrays are read [bytes]."""
_WAIT_S = 900.0
"""For the processes that are served first; each takes seconds."""

_log = logging.getLogger(__name__)


class SharedModels:
    """Loads models for one of several processes, one process at a time.

    Args:
        folder: where the copies are; a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(
        self, read: Callable[[], ServableModel], sort: Callable[[ServableModel], Cells]
    ) -> tuple[ServableModel, Cells]:
        """Return a model and its cells, with arrays that other processes share as far as they are large.

        Where there is no room for copies the process keeps what it has read for itself.

        Args:
            read: reads and verifies the model; what it raises is raised.
            sort: puts its vectors in cells; not called where another process has done so.
        """
        model: ServableModel | None = None
        try:
            with lock_folder(self._folder, "copies of models", wait_s=_WAIT_S):
                self._folder.chmod(0o700)
                model = read()
                if not isinstance(model, Model):
                    return model, sort(model)
                place = self._folder / _name(model)
                if not place.is_dir():
                    self._write(place, _arrays_of(model, sort(model)))
                os.utime(place)
                arrays = _mapped(place)
                self._remove_all_but_the_latest()
        except (OSError, FolderInUse, ValueError) as error:
            if model is None and not isinstance(error, OSError | FolderInUse):
                raise
            _log.warning("model: its arrays are not shared between processes; %s: %s", type(error).__name__, error)
            model = model or read()
            return model, sort(model)
        return _with(model, arrays)

    def _write(self, place: Path, arrays: Arrays) -> None:
        making = self._folder / f".{place.name}"
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700)
        try:
            for name, values in arrays.items():
                np.save(making / f"{name}.npy", values, allow_pickle=False)
                (making / f"{name}.npy").chmod(0o400)
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
        making.rename(place)

    def _remove_all_but_the_latest(self) -> None:
        """Remove copies; a process that has mapped them keeps what it has mapped."""
        places = sorted(
            (path for path in self._folder.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns
        )
        made = [path for path in places if not path.name.startswith(".")]
        for path in [*(path for path in places if path.name.startswith(".")), *made[:-_KEPT]]:
            shutil.rmtree(path, ignore_errors=True)


def _name(model: Model) -> str:
    """Return a name for what a model holds, and for this run of the machine.

    What was written just before the power went may be cut short, so nothing from an earlier run is used.
    """
    content = msgspec.json.encode((model.manifest.files, round(psutil.boot_time() / 60)), order="sorted")
    return f"{model.version}-{hashlib.sha256(content).hexdigest()[:16]}"


def _mapped(place: Path) -> Arrays:
    found: Arrays = {}
    for path in place.glob("*.npy"):
        mode: Any = "r" if path.stat().st_size >= _MAPPED_FROM else None
        # Without the class of mapped arrays, which makes all that is done with them slower.
        found[path.stem] = np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
    return found


def _arrays_of(model: Model, cells: Cells) -> Arrays:
    found: Arrays = {name: getattr(model, name) for name in _OF_MODEL}
    for name in _VISITS:
        found |= {f"{name}-{part}": values for part, values in getattr(model.parts, name).arrays().items()}
    for name in _LINKS:
        found |= {f"{name}-{part}": values for part, values in getattr(model.parts, name)._asdict().items()}
    return found | {f"{_CELLS}-{part}": values for part, values in cells._asdict().items()}


def _with(model: Model, arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[Model, Cells]:
    """Let go of what was read, for what is mapped."""

    def parts_of(name: str) -> Arrays:
        return {key.partition("-")[2]: values for key, values in arrays.items() if key.partition("-")[0] == name}

    for name in _OF_MODEL:
        setattr(model, name, arrays[name])
    parts: dict[str, Any] = {name: Visits.of_arrays(parts_of(name)) for name in _VISITS}
    parts |= {name: Links(**parts_of(name)) for name in _LINKS}
    model.parts = model.parts._replace(**parts)
    return model, Cells(**parts_of(_CELLS))

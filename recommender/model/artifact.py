"""A trained model as it is served: arrays and names, kept as files that need no code to be read."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from recommender.installation import write_atomically
from recommender.model.description import CONTEXT_GROUPS, group_of
from recommender.model.links import Links
from recommender.model.manifest import FORMAT, Manifest
from recommender.model.parts import (
    RANKER,
    BadPart,
    Parts,
    decode_links,
    decode_parts,
    encode_links,
    encode_parts,
    part_files,
)

Floats = npt.NDArray[np.float32]

_T = TypeVar("_T")

MANIFEST = "manifest.json"
NAMES = "names.jsonl"
_ARRAYS = {
    "item_vectors": ("item_ids", 2),
    "item_biases": ("item_ids", 1),
    "shopper_embeddings": ("shopper_features", 2),
    "item_embeddings": ("item_features", 2),
    "item_feature_biases": ("item_features", 1),
}
"""Array to the names of its rows and its number of dimensions."""
_GRADIENTS = {
    "shopper_gradients": ("shopper_features", 2),
    "item_gradients": ("item_features", 2),
    "item_bias_gradients": ("item_features", 1),
}
"""The same of what only learning on needs."""
_CONTENT = "content"
_ERASED = "erased"
_NAMES_AT_ONCE = 2_048
"""Names in a line of their file: whoever serves while a model is read gets his turn between two lines."""


class _Names(NamedTuple):
    item_ids: list[str]
    shopper_features: list[str]
    item_features: list[str]


class _NamesLine(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    kind: Literal["item_ids", "shopper_features", "item_features"]
    names: list[str]


class Gradients(NamedTuple):
    """Sums of squared gradients (Adagrad) of a model's embeddings, from which training can go on; float32."""

    shopper: Floats
    """[n_shopper_features, embedding_size]"""
    item: Floats
    """[n_item_features, embedding_size]"""
    item_bias: Floats
    """[n_item_features]"""


class DamagedModel(RuntimeError):
    """A model's files are not what its manifest says; the text names the file and the rule."""


class Model:
    """A model version.

    Args:
        item_ids: the items that it can score.
        item_vectors: np.float32 array of shape [n_items, embedding_size].
        item_biases: np.float32 array of shape [n_items].
        shopper_features: names of the features a shopper is described by.
        shopper_embeddings: np.float32 array of shape [n_shopper_features, embedding_size].
        item_features: names of the features an item is described by.
        item_embeddings: np.float32 array of shape [n_item_features, embedding_size].
        item_feature_biases: np.float32 array of shape [n_item_features].
        manifest: what the version says of itself; the registry completes it.
        parts: what knows items by their number.
        gradients: to be kept with it; what is read to be served comes without. Likewise:
        content: of each item the numbers and weights of its item features.
    """

    def __init__(
        self,
        *,
        item_ids: Sequence[str],
        item_vectors: Floats,
        item_biases: Floats,
        shopper_features: Sequence[str],
        shopper_embeddings: Floats,
        item_features: Sequence[str],
        item_embeddings: Floats,
        item_feature_biases: Floats,
        manifest: Manifest,
        parts: Parts | None = None,
        gradients: Gradients | None = None,
        content: Links | None = None,
    ) -> None:
        self.item_ids = list(item_ids)
        self.item_vectors = item_vectors
        self.item_biases = item_biases
        self.shopper_features = list(shopper_features)
        self.shopper_embeddings = shopper_embeddings
        self.item_features = list(item_features)
        self.item_embeddings = item_embeddings
        self.item_feature_biases = item_feature_biases
        self.manifest = manifest
        self.parts = parts or Parts()
        self.gradients = gradients
        self.content = content

    @property
    def version(self) -> str:
        """Its name in the registry; empty until it is saved."""
        return self.manifest.version

    def user_vector(self, description: Mapping[str, float]) -> tuple[Floats, bool]:
        """Return the shopper's vector, np.float32 of shape [embedding_size], and whether the shopper is known.

        The vector is the weighted sum of the embeddings of the features that have one. A shopper is known by at
        least one such feature that tells of the shopper and not only of the device, the country or the hour.
        """
        rows, weights, known = [], [], False
        for feature, weight in description.items():
            row = self._shopper_rows.get(feature)
            if row is not None:
                rows.append(row)
                weights.append(weight)
                known = known or group_of(feature) not in CONTEXT_GROUPS
        return _weighted_sum(self.shopper_embeddings, rows, weights), known

    def item_vector(self, description: Mapping[str, float]) -> tuple[Floats, float, bool]:
        """Return vector and bias of an item that was not there in training, and whether its content is known."""
        rows = [self._item_rows[feature] for feature in description if feature in self._item_rows]
        weights = [weight for feature, weight in description.items() if feature in self._item_rows]
        vector = _weighted_sum(self.item_embeddings, rows, weights)
        bias = float(np.dot(np.asarray(weights, np.float32), self.item_feature_biases[rows])) if rows else 0.0
        return vector, bias, bool(rows)

    def forget_shopper(self, feature: str) -> None:
        """Drop a shopper feature from memory, as ``copy_without`` does from files; the others keep their rows."""
        row = self._shopper_rows.pop(feature, None)
        if row is not None:
            self.shopper_features[row] = nameless(row)
            if self.shopper_embeddings.flags.writeable:
                self.shopper_embeddings[row] = 0.0

    @cached_property
    def _shopper_rows(self) -> dict[str, int]:
        return {feature: row for row, feature in enumerate(self.shopper_features)}

    @cached_property
    def _item_rows(self) -> dict[str, int]:
        return {feature: row for row, feature in enumerate(self.item_features)}


def _weighted_sum(embeddings: Floats, rows: list[int], weights: list[float]) -> Floats:
    if not rows:
        return np.zeros(embeddings.shape[1], np.float32)
    summed: Floats = np.asarray(weights, np.float32) @ embeddings[rows]
    return summed


def write_model(model: Model, folder: Path) -> None:
    """Write a model's files into a new folder, the manifest last; completes the manifest."""
    folder.mkdir(parents=True)
    names = _Names(model.item_ids, model.shopper_features, model.item_features)
    files = {NAMES: _encode_names(names), **encode_parts(model.parts)}
    arrays = {array: getattr(model, array) for array in _ARRAYS}
    if model.gradients is not None:
        arrays |= dict(zip(_GRADIENTS, model.gradients, strict=True))
    if model.content is not None:
        files[f"{_CONTENT}.npz"] = encode_links(model.content)
    for array, values in arrays.items():
        files[f"{array}.npy"] = _encode_array(values)
    for name, content in files.items():
        write_atomically(folder / name, content)
    model.manifest.embedding_size = int(model.item_vectors.shape[1])
    model.manifest.files = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    write_atomically(folder / MANIFEST, msgspec.json.format(msgspec.json.encode(model.manifest)) + b"\n")


def copy_without(folder: Path, into: Path, features: Collection[str]) -> list[str]:
    """Copy a version's files to a new folder, with these shopper features nameless and of no effect.

    Returns:
        Those that the version has; for none there is no copy.

    Raises:
        DamagedModel: the version cannot be read.
    """
    manifest = read_manifest(folder)
    names = _names(folder, manifest)
    wanted = set(features)
    rows = [row for row, feature in enumerate(names.shopper_features) if feature in wanted]
    found = [names.shopper_features[row] for row in rows]
    if not rows:
        return found
    for row in rows:
        names.shopper_features[row] = nameless(row)
    files = {NAMES: _encode_names(names)}
    for array, nothing in (("shopper_embeddings", 0.0), ("shopper_gradients", 1.0)):
        if f"{array}.npy" in manifest.files:
            values = _array(folder, manifest, names, array)
            values[rows] = nothing
            files[f"{array}.npy"] = _encode_array(values)
    into.mkdir()
    for path in folder.iterdir():
        if path.name not in files and path.name != MANIFEST:
            _link(path, into / path.name)
    for name, content in files.items():
        write_atomically(into / name, content)
    manifest.files |= {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    write_atomically(into / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    return found


def _link(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # a file system without links
        shutil.copy2(path, place)


def nameless(row: int) -> str:
    """Return what stands in the place of a shopper feature that was erased; the others keep their rows."""
    return f"{_ERASED}={row}"


def is_nameless(feature: str) -> bool:
    """Tell whether it stands in the place of an erased feature."""
    return feature.startswith(f"{_ERASED}=")


def read_model(folder: Path) -> Model:
    """Read the files of the model version that the folder is named after.

    Raises:
        DamagedModel: a file is missing, changed, or breaks a rule of its content.
    """
    manifest = read_manifest(folder)
    names = _names(folder, manifest)
    arrays = {array: _array(folder, manifest, names, array) for array in _ARRAYS}
    files = {name: _content(folder, manifest, name) for name in part_files(RANKER in manifest.files)}
    try:
        parts = decode_parts(files, len(names.item_ids))
    except BadPart as error:
        raise DamagedModel(f"{folder.name}/{error}") from error
    return Model(
        manifest=manifest,
        parts=parts,
        item_ids=names.item_ids,
        shopper_features=names.shopper_features,
        item_features=names.item_features,
        item_vectors=arrays["item_vectors"],
        item_biases=arrays["item_biases"],
        shopper_embeddings=arrays["shopper_embeddings"],
        item_embeddings=arrays["item_embeddings"],
        item_feature_biases=arrays["item_feature_biases"],
    )


def read_gradients(folder: Path) -> Gradients | None:
    """Read what training can go on from; None if the version was kept without.

    Raises:
        DamagedModel: a file is missing, changed, or breaks a rule of its content.
    """
    manifest = read_manifest(folder)
    if not all(f"{array}.npy" in manifest.files for array in _GRADIENTS):
        return None
    names = _names(folder, manifest)
    return Gradients(*(_array(folder, manifest, names, array) for array in _GRADIENTS))


def read_content(folder: Path) -> Links | None:
    """Read of each item the numbers and weights of its item features; None if the version was kept without.

    Raises:
        DamagedModel: the file is missing, changed, or breaks a rule of its content.
    """
    manifest = read_manifest(folder)
    file = f"{_CONTENT}.npz"
    if file not in manifest.files:
        return None
    names = _names(folder, manifest)
    try:
        content = decode_links(_CONTENT, _content(folder, manifest, file), len(names.item_features))
    except BadPart as error:
        raise DamagedModel(f"{folder.name}/{error}") from error
    if len(content.starts) != len(names.item_ids) + 1:
        raise DamagedModel(f"{folder.name}/{file}: must have a row for each of {len(names.item_ids)} items")
    return content


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the model version that the folder is named after.

    Raises:
        DamagedModel: it is missing, or breaks a rule.
    """
    manifest = _decode(folder, MANIFEST, _read(folder, MANIFEST), Manifest)
    if manifest.format != FORMAT:
        raise DamagedModel(f"{folder.name}/{MANIFEST}: format must be {FORMAT}; got {manifest.format}")
    if manifest.version != folder.name:
        raise DamagedModel(f"{folder.name}/{MANIFEST}: version must be {folder.name}; got {manifest.version!r}")
    return manifest


def _encode_array(values: Floats) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values, allow_pickle=False)
    return buffer.getvalue()


def _encode_names(names: _Names) -> bytes:
    return b"".join(
        msgspec.json.encode((kind, values[start : start + _NAMES_AT_ONCE])) + b"\n"
        for kind, values in names._asdict().items()
        for start in range(0, len(values), _NAMES_AT_ONCE)
    )


def _names(folder: Path, manifest: Manifest) -> _Names:
    names = _Names([], [], [])
    for line in _content(folder, manifest, NAMES).splitlines():
        some = _decode(folder, NAMES, line, _NamesLine)
        getattr(names, some.kind).extend(some.names)
    return names


def _array(folder: Path, manifest: Manifest, names: _Names, array: str) -> Floats:
    rows, dimensions = (_ARRAYS | _GRADIENTS)[array]
    file = f"{array}.npy"
    where = f"{folder.name}/{file}"
    try:
        values: Floats = np.load(io.BytesIO(_content(folder, manifest, file)), allow_pickle=False)
    except ValueError as error:
        raise DamagedModel(f"{where}: must be an array file; {error}") from error
    expected = (len(getattr(names, rows)), manifest.embedding_size)[:dimensions]
    if values.shape != expected or values.dtype != np.float32:
        raise DamagedModel(f"{where}: must be float32 of shape {expected}; got {values.dtype} of shape {values.shape}")
    if not np.isfinite(values).all():
        raise DamagedModel(f"{where}: all values must be finite")
    return values


def _content(folder: Path, manifest: Manifest, file: str) -> bytes:
    content = _read(folder, file)
    expected, found = manifest.files.get(file), hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DamagedModel(f"{folder.name}/{file}: must have SHA-256 {expected}; got {found}")
    return content


def _read(folder: Path, file: str) -> bytes:
    try:
        return (folder / file).read_bytes()
    except OSError as error:
        raise DamagedModel(f"{folder.name}/{file}: must be a readable file; {error.strerror}") from error


def _decode(folder: Path, file: str, content: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise DamagedModel(f"{folder.name}/{file}: {error}") from error

"""The parts of a model beside its embeddings, and their files."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from recommender.model.links import Links
from recommender.model.ranker import BadRanker, Ranker
from recommender.model.visits import Visits

RANKER = "ranker.txt"
_UNREADABLE = (
    ValueError,
    LookupError,
    OSError,
    EOFError,
    RuntimeError,
    MemoryError,
    BadZipFile,
    struct.error,
    zlib.error,
)
"""What reading a file that is no archive of arrays, or a damaged one, may raise."""


class BadPart(ValueError):
    """A file is not what its part needs; the text names the array and the rule."""


def no_links() -> Links:
    """Return links of no item."""
    return Links(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.float32))


def no_visits() -> Visits:
    """Return an index without visits."""
    return Visits(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int64))


class Parts(NamedTuple):
    """What knows items by number, the place in the model's ``item_ids``."""

    visits: Visits = no_visits()
    """Visits: events of a session without a gap."""
    histories: Visits = no_visits()
    """All that a known user did, over his sessions; the latest items alone."""
    followers: Links = no_links()
    """Item to those met after it in a visit."""
    history_followers: Links = no_links()
    """Item to those met after it in a history."""
    linear: Links = no_links()
    """Item to those that shoppers of it have, all others accounted for (EASE)."""
    ranker: Ranker | None = None


_VISITS = ("visits", "histories")
_LINKS = ("followers", "history_followers", "linear")


def encode_parts(parts: Parts) -> dict[str, bytes]:
    """Return the content of each file."""
    files: dict[str, bytes] = {}
    for name in _VISITS:
        index: Visits = getattr(parts, name)
        files[f"{name}.npz"] = _packed(starts=index.starts, items=index.items, ends_us=index.ends_us)
    for name in _LINKS:
        files[f"{name}.npz"] = encode_links(getattr(parts, name))
    if parts.ranker is not None:
        files[RANKER] = parts.ranker.text.encode()
    return files


def part_files(has_ranker: bool) -> list[str]:
    """Return the names of the files that a version has."""
    return [f"{name}.npz" for name in (*_VISITS, *_LINKS)] + ([RANKER] if has_ranker else [])


def decode_parts(files: dict[str, bytes], n_items: int) -> Parts:
    """Read the parts.

    Raises:
        BadPart: a file breaks a rule.
    """
    found: dict[str, Any] = {}
    for name in _VISITS:
        arrays = _unpacked(name, files[f"{name}.npz"], starts=np.int64, items=np.int32, ends_us=np.int64)
        _check_rows(name, arrays, n_items)
        if len(arrays["ends_us"]) != len(arrays["starts"]) - 1:
            raise BadPart(f"{name}.npz: ends_us must have one entry for each visit")
        found[name] = Visits(**arrays)
    for name in _LINKS:
        found[name] = decode_links(name, files[f"{name}.npz"], n_items)
    if RANKER in files:
        try:
            found["ranker"] = Ranker(files[RANKER].decode())
        except (BadRanker, UnicodeDecodeError) as error:
            raise BadPart(f"{RANKER}: {error}") from error
    return Parts(**found)


def encode_links(links: Links) -> bytes:
    """Return the content of the file of some links."""
    return _packed(**links._asdict())


def decode_links(name: str, content: bytes, below: int) -> Links:
    """Read links to numbers below a limit.

    Raises:
        BadPart: the file breaks a rule.
    """
    arrays = _unpacked(name, content, starts=np.int64, items=np.int32, weights=np.float32)
    _check_rows(name, arrays, below)
    if len(arrays["weights"]) != len(arrays["items"]) or not np.isfinite(arrays["weights"]).all():
        raise BadPart(f"{name}.npz: weights must be finite, one for each item")
    return Links(**arrays)


def _packed(**arrays: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _unpacked(name: str, content: bytes, **types: Any) -> dict[str, npt.NDArray[Any]]:
    try:
        packed = np.load(io.BytesIO(content), allow_pickle=False)
        arrays = {key: packed[key] for key in types}
    except _UNREADABLE as error:
        raise BadPart(f"{name}.npz: must hold the arrays {', '.join(types)}; {error}") from error
    for key, kind in types.items():
        if arrays[key].dtype != kind or arrays[key].ndim != 1:
            raise BadPart(f"{name}.npz: {key} must be a vector of {np.dtype(kind)}; got {arrays[key].dtype}")
    return arrays


def _check_rows(name: str, arrays: dict[str, npt.NDArray[Any]], n_items: int) -> None:
    starts, items = arrays["starts"], arrays["items"]
    if not len(starts) or starts[0] != 0 or starts[-1] != len(items) or (np.diff(starts) < 0).any():
        raise BadPart(f"{name}.npz: starts must rise from 0 to the number of items")
    if len(items) and (items.min() < 0 or items.max() >= n_items):
        raise BadPart(f"{name}.npz: items must be numbers below {n_items}; got {items.min()} to {items.max()}")

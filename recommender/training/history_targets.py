"""The events of the history that can be examples, read column by column, a batch at a time.

Ten million of them take less than 2 GB: no event is ever a Python object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from recommender.history import EVENTS, SCHEMAS, part_files
from recommender.training.dataset import TARGET_KINDS, Numbers, Targets

_IDS = ("session_id", "user_id", "item_id", "order_id", "device", "country", "kind")
TARGET_COLUMNS = ("event_id", "event_time", *_IDS)
"""Those of the history's events that targets are made of."""
_Codes = npt.NDArray[np.int32]


def read_targets(history_dir: Path, since_us: int | None = None, until_us: int | None = None) -> Targets:
    """Read the targets of the history.

    Args:
        history_dir: folder of the history.
        since_us: the earliest time that is wanted; without it there is no bound.
        until_us: the time before which they are wanted; without it there is no bound.
    """
    # A file may be merged with others, and removed, before all of it is read.
    again = Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(FileNotFoundError), reraise=True)
    return again(lambda: targets_of(_scan(history_dir, since_us, until_us)))


def targets_of(batches: Iterable[Any]) -> Targets:
    """Return as targets the events of Arrow record batches with ``TARGET_COLUMNS``."""
    chunks: dict[str, list[Any]] = {name: [] for name in TARGET_COLUMNS}
    for batch in batches:
        for name, kept in chunks.items():
            column = batch.column(name)
            kept.append(column.dictionary_encode() if name in _IDS else column)
    times = pa.chunked_array(chunks.pop("event_time"), SCHEMAS[EVENTS].field("event_time").type)
    times_us = times.cast(pa.int64()).to_numpy()
    event_ids = pa.chunked_array(chunks.pop("event_id"), pa.string())
    order = _in_order(times_us, event_ids)
    order = order[_is_first(event_ids, order)]
    del event_ids
    codes, ids = {}, {}
    for name in _IDS:
        codes[name], ids[name] = _numbered(chunks.pop(name), order)
    return Targets(
        times_us=times_us[order],
        kinds=_by_name(ids["kind"].to_pylist())[codes["kind"]],
        sessions=codes["session_id"],
        users=_known(codes["user_id"], ids["user_id"]),
        items=codes["item_id"],
        devices=codes["device"],
        countries=codes["country"],
        orders=_known(codes["order_id"], ids["order_id"]),
        session_ids=ids["session_id"],
        user_ids=[user_id for user_id in ids["user_id"].to_pylist() if user_id],
        item_ids=ids["item_id"].to_pylist(),
        device_names=ids["device"].to_pylist(),
        country_names=ids["country"].to_pylist(),
    )


def _scan(history_dir: Path, since_us: int | None, until_us: int | None) -> Iterator[Any]:
    wanted = ds.field("kind").isin(list(TARGET_KINDS)) & ~ds.field("late") & (ds.field("item_id") != "")
    instant = SCHEMAS[EVENTS].field("event_time").type
    if since_us is not None:
        wanted &= ds.field("event_time") >= pa.scalar(since_us, instant)
    if until_us is not None:
        wanted &= ds.field("event_time") < pa.scalar(until_us, instant)
    files = [str(path) for path in reversed(part_files(history_dir, EVENTS))]
    return ds.dataset(files, schema=SCHEMAS[EVENTS]).to_batches(
        columns=list(TARGET_COLUMNS), filter=wanted, batch_readahead=4, fragment_readahead=2
    )


def _in_order(times_us: Numbers, event_ids: Any) -> Numbers:
    """Return the numbers of the events in order of (time, event id)."""
    if not len(times_us):
        return np.empty(0, np.int64)
    table = pa.table({"time": times_us, "event": event_ids})
    keys = [("time", "ascending"), ("event", "ascending")]
    return pc.sort_indices(table, sort_keys=keys).to_numpy().astype(np.int64)


def _is_first(event_ids: Any, order: Numbers) -> npt.NDArray[np.bool_]:
    """Tell, place by place in the order, whether the event id is there for the first time.

    Ids are told apart by 64 bits of their hashes: two share one by chance once in 10^19 pairs.
    """
    with duckdb.connect() as database:
        ids = database.from_arrow(pa.table({"event_id": event_ids}))
        hashed = ids.project("hash(event_id) AS hash").to_arrow_reader().read_all()
    hashes = hashed.column("hash").to_numpy()[order]
    first = np.zeros(len(order), np.bool_)
    first[np.unique(hashes, return_index=True)[1]] = True
    return first


def _numbered(chunks: list[Any], order: Numbers) -> tuple[_Codes, Any]:
    """Return for each event in order its place in the sorted ids, and these."""
    if not chunks:
        return np.empty(0, np.int32), pa.array([], pa.string())
    encoded = pa.chunked_array(chunks).unify_dictionaries()
    ids = encoded.chunk(0).dictionary
    codes = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in encoded.chunks])[order]
    used = np.unique(codes)
    ids = ids.take(pa.array(used))
    by_id = pc.sort_indices(ids).to_numpy()
    place = np.empty(int(used[-1]) + 1 if len(used) else 0, np.int32)
    place[used[by_id]] = np.arange(len(used), dtype=np.int32)
    return place[codes], ids.take(pa.array(by_id))


def _known(codes: _Codes, ids: Any) -> _Codes:
    """Return the codes among the ids without the empty one, which is the first; -1 for that."""
    return codes - 1 if len(ids) and ids[0].as_py() == "" else codes


def _by_name(kinds: list[str]) -> npt.NDArray[np.int8]:
    return np.array([TARGET_KINDS.index(kind) for kind in kinds], np.int8)

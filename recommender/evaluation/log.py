"""Reading a log of events from files, as an import would take it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from recommender.events import AnyCatalogueEvent, InvalidEvent, StockChange
from recommender.features.interaction import Interaction, read_interaction
from recommender.loaders import FORMATS, BadRow, LoadedEvent, Loader, UnknownDataset, WrongFormat, open_loader
from recommender.loaders.lenient import LenientReader, essential
from recommender.loaders.recognition import recognise, recognise_folder
from recommender.loaders.source import SourceFile

AUTO = "auto"
Event = Interaction | AnyCatalogueEvent
Progress = Callable[[str, float], None]
"""Is told what is being done, and which part of it is done, from 0 to 1."""

_MOST_REASONS = 50
_TOLD_WHOLE = "kind: "
"""Reasons that are told with the value: words of the file's own, which its owner can change."""
_OTHER_REASONS = "other reasons"
_REPORT_EVERY = 5_000


class Log(NamedTuple):
    """Events in order of time; those of one time in the order of the files.

    Changes of stock are not among them: what is asked for could be had, and most contestants know of no stock.
    """

    format: str
    events: list[Event]
    rejected: dict[str, int]
    """How many rows broke which rule, or were no event at all; the most frequent first."""
    passed_over: list[str]
    """Columns that events have no field for."""


class EmptyLog(ValueError):
    """No row of the files is a valid event; the text says why."""


def read_log(path: Path, form: str, progress: Progress) -> Log:
    """Read a log.

    Args:
        path: a file, or a folder of files of one format.
        form: a name in `FORMATS`, or "auto" to tell it by the first line.
        progress: is told how far it is.

    Raises:
        LoaderError: the files cannot be read, or are in no format that is known.
        EmptyLog: there is no valid event in them.
    """
    reader = LenientReader()
    loader = _open(path, form, reader)
    rejected: Counter[str] = Counter()
    events: list[Event] = []
    seen: set[str] = set()
    for event in _events(loader, rejected, progress):
        if event.event_id in seen:
            rejected["event_id: must be unique"] += 1
            continue
        seen.add(event.event_id)
        if not isinstance(event, StockChange):
            events.append(event)
    if not events:
        got = "changes of stock alone" if seen else _told(rejected) or "no row"
        raise EmptyLog(f"{path}: must hold a valid event other than changes of stock; got {got}")
    events.sort(key=lambda event: event.time_us)
    for number, event in enumerate(events):
        if isinstance(event, Interaction):
            event.number = number
    return Log(loader.dataset, events, dict(rejected.most_common()), reader.passed_over)


def _open(path: Path, form: str, reader: LenientReader) -> Loader:
    if form != AUTO and form not in FORMATS:
        raise UnknownDataset(f"--format: must be {AUTO} or one of {', '.join(FORMATS)}; got {form!r}")
    if form == AUTO and path.is_dir():
        form, paths = recognise_folder(path)
    else:
        paths = [path]
    if form == AUTO:
        source = SourceFile(path, "")
        if not source.head.strip():
            raise WrongFormat(f"{path}: must hold events; it is empty")
        recognised = recognise(source)
        if recognised is None:
            raise WrongFormat(
                f"{path}: must be in one of the formats {', '.join(FORMATS)}, or have columns for user_id or "
                f"session_id, item_id and event_time (docs/loaders.md lists their other names); "
                f"got a first line {source.first_line()[:80]!r}"
            )
        form = recognised
    if form == "generic":
        return Loader(FORMATS[form]._replace(read=reader.read), _generic_files(paths))
    return open_loader(form, path) if path.is_file() or FORMATS[form].patterns else Loader(FORMATS[form], paths)


def _generic_files(paths: list[Path]) -> list[Path]:
    folder = paths[0]
    if not folder.is_dir():
        return paths
    patterns = FORMATS["generic"].patterns
    found = sorted({path for pattern in patterns for part in ("", ".gz") for path in folder.glob(pattern + part)})
    if not found:
        raise WrongFormat(f"{folder}: must hold files of your own ({', '.join(patterns)}, each also as .gz)")
    return found


def _events(loader: Loader, rejected: Counter[str], progress: Progress) -> Iterator[Event]:
    now_us = time.time_ns() // 1_000
    total = max(1, loader.total_bytes)
    for number, loaded in enumerate(loader):
        if number % _REPORT_EVERY == 0:
            progress(f"read {loader.dataset}", loader.bytes_read / total)
        if isinstance(loaded, BadRow):
            _count(rejected, loaded.reason)
            continue
        try:
            event = _event(loaded, now_us, loader.dataset == "generic")
        except InvalidEvent as error:
            _count(rejected, str(error))
            continue
        if isinstance(event, Interaction):
            event.payload = b""
        yield event
    progress(f"read {loader.dataset}", 1.0)


def _event(loaded: LoadedEvent, now_us: int, is_generic: bool) -> Event:
    try:
        return read_interaction(orjson.dumps(loaded.event), now_us)
    except InvalidEvent:
        if not is_generic:
            raise
        return read_interaction(orjson.dumps(essential(loaded.event)), now_us)


def _count(rejected: Counter[str], reason: str) -> None:
    rule = reason if reason.startswith(_TOLD_WHOLE) else reason.partition("; got ")[0]
    rejected[rule if rule in rejected or len(rejected) < _MOST_REASONS else _OTHER_REASONS] += 1


def _told(rejected: Counter[str]) -> str:
    return ", ".join(f"{count:,} x {reason}" for reason, count in rejected.most_common(3))

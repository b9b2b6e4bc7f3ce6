"""What a loader yields, and what can go wrong with a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from recommender.loaders.source import SourceFile

RawEvent = dict[str, Any]
"""An event as it would stand in JSON, not yet validated."""


class LoadedEvent(NamedTuple):
    """An event that a loader made; the event rules decide whether it is accepted."""

    file: str
    line_number: int
    event: RawEvent
    beside: bool = False
    """A catalogue event made beside the file's rows, such as an item's description; it is no row of its own."""


class BadRow(NamedTuple):
    """A row of which no event can be made."""

    file: str
    line_number: int
    reason: str
    text: str


Loaded = LoadedEvent | BadRow


class Format(NamedTuple):
    """A public format: which files of a folder belong to it, and how they are read."""

    name: str
    patterns: tuple[str, ...]
    """Names of the files in a folder, in reading order, each with or without ``.gz``; empty: takes one file only."""
    read: Callable[[Sequence[SourceFile]], Iterator[Loaded]]


class LoaderError(ValueError):
    """A file cannot be loaded at all."""


class UnknownDataset(LoaderError):
    """No loader has this name."""


class WrongFormat(LoaderError):
    """The file is not what its format says."""


class UnreadableFile(LoaderError):
    """The file is missing, cut short, damaged, or not to be read by this user."""


class MissingFile(UnreadableFile):
    """There is no such file."""


class UnmappableRow(ValueError):
    """No event can be made of a row; the text says why."""

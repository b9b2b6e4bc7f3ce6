"""Which model versions were current, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from recommender.installation import write_atomically

MOST_KEPT = 1_000
"""Older activations are forgotten: with online updates there are thousands a day [count]."""

_log = logging.getLogger(__name__)


class Activation(msgspec.Struct, frozen=True):
    """One change of the current version."""

    at: str
    """ISO 8601, UTC."""
    version: str
    act: Literal["activate", "rollback", "found"]
    """``found``: the pointer had been set by other means; the time is that of the next change."""
    reason: str = ""


class Activations:
    """The file ``ACTIVATIONS``: a line of JSON for each activation, the oldest first. Only the registry adds to it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Activation]:
        """Return all that are kept, the oldest first; a line that cannot be read is left out and logged."""
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(msgspec.json.decode(line, type=Activation))
            except msgspec.DecodeError as error:
                _log.warning("%s: line %d is no activation; %s", self._path.name, number, error)
        return found

    def append(self, activations: Sequence[Activation]) -> None:
        """Add some; a reader sees all of them or none."""
        kept = [*self.read(), *activations][-MOST_KEPT:]
        write_atomically(self._path, b"".join(msgspec.json.encode(each) + b"\n" for each in kept))


def trail(history: Sequence[Activation], current: str | None) -> list[str]:
    """Return the versions that led to the current one, which comes last: the way that rollbacks go back.

    An activation adds its version at the end. A rollback takes everything away behind the version that it went to. So
    the next rollback goes further back; and where another version is activated after a rollback, what had been rolled
    back is not on the trail any more. No version stands beside itself.
    """
    found: list[str] = []
    for activation in history:
        if activation.act == "rollback":
            while found and found[-1] != activation.version:
                found.pop()
        if found[-1:] != [activation.version]:
            found.append(activation.version)
    if current is not None and found[-1:] != [current]:
        found.append(current)
    return found

"""What training learns from: the events that can be examples, and what each shopper looked like just before each.

An event never stands in its own features, nor does another of the same shopper and instant: a line of one order says
nothing of the other lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recommender.features.memory import ItemRows
from recommender.features.shopper import Shopper

TARGET_WEIGHTS = {"view": 1.0, "click": 1.0, "add_to_wishlist": 2.0, "add_to_cart": 2.0, "purchase": 3.0}
"""Kinds of events that are examples, with their weight."""
TARGET_KINDS = tuple(TARGET_WEIGHTS)
_WEIGHTS = np.array(list(TARGET_WEIGHTS.values()), np.float32)

Numbers = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False, slots=True)
class Targets:
    """The events that can be examples, as columns, in order of (time, event id): late and repeated ones left out.

    Each column has one element for each event. Ids are places in the lists of ids, which are sorted.
    """

    times_us: Numbers
    kinds: npt.NDArray[np.int8]
    """Places in ``TARGET_KINDS``."""
    sessions: _Codes
    users: _Codes
    """-1 for a shopper not known."""
    items: _Codes
    devices: _Codes
    countries: _Codes
    orders: _Codes
    """Alike for the lines of one order; -1 for an event that is no purchase, or one without an order id."""
    session_ids: pa.StringArray
    """An Arrow array, as there may be millions."""
    user_ids: list[str]
    item_ids: list[str]
    device_names: list[str]
    """With "" for unknown, if there are such events; likewise the countries."""
    country_names: list[str]

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """Weight of each event by its kind."""
        return _WEIGHTS[self.kinds]

    def moments(self, numbers: Numbers) -> tuple[Numbers, _Codes]:
        """Return which of these events stand for a state of their own, and for each event the place of its state.

        Events of one instant of the same shopper (session, user, device and country) share a state.

        Args:
            numbers: of events, ascending.

        Returns:
            The number of the first event of each state, ascending; and for each of ``numbers`` a place in them.
        """
        columns = (self.times_us, self.sessions, self.users, self.devices, self.countries)
        keys = [column[numbers] for column in columns]
        order = np.lexsort(keys[::-1])
        is_new = np.zeros(len(numbers), np.bool_)
        for key in keys:
            ordered = key[order]
            is_new[1:] |= ordered[1:] != ordered[:-1]
        is_new[:1] = True
        # lexsort is stable, so the first of each run is the first of the state's events.
        firsts = order[is_new]
        by_number = np.argsort(firsts)
        place_of_run = np.empty(len(firsts), np.int32)
        place_of_run[by_number] = np.arange(len(firsts), dtype=np.int32)
        places = np.empty(len(numbers), np.int32)
        places[order] = place_of_run[np.cumsum(is_new) - 1]
        return numbers[firsts[by_number]], places


def by_moment(targets: Targets, numbers: Numbers, at: Callable[[Numbers], Iterator[Shopper]]) -> Iterator[Shopper]:
    """Yield a shopper for each of these targets, asking but once for those that share a state.

    Args:
        targets: all of them.
        numbers: of targets, ascending.
        at: yields a shopper for each number that it is given.
    """
    firsts, places = targets.moments(numbers)
    found = at(firsts)
    of_instant: dict[int, Shopper] = {}
    instant_us = None
    for time_us, place in zip(targets.times_us[numbers].tolist(), places.tolist(), strict=True):
        if time_us != instant_us:
            of_instant.clear()
            instant_us = time_us
        if place not in of_instant:
            of_instant[place] = next(found)
        yield of_instant[place]


class TrainingSource(Protocol):
    """Where the training set comes from: an installation's history, or a list of events."""

    def targets(self) -> Targets:
        """Return the events that can be examples."""

    def shoppers(self, numbers: Numbers) -> Iterator[Shopper]:
        """Yield the shopper just before each of these targets, aged to its instant, as serving would read it.

        Args:
            numbers: of targets, ascending.
        """

    def items(self, as_of_us: int) -> list[ItemRows]:
        """Return the latest rows of each item at or before an instant, not aged, in order of item ids."""


LEAST_EVENTS = 20
LEAST_ITEMS = 2


class TooLittleHistory(ValueError):
    """The history is too small to train on; the text says what is missing."""

"""A log's events of interest as arrays, which is what most contestants learn from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommender.evaluation.contract import Query
from recommender.evaluation.log import Event
from recommender.evaluation.protocols import ProtocolName, TargetRule
from recommender.evaluation.split import INTEREST
from recommender.features.interaction import Interaction

_SPARSE = 20
"""So many times fewer numbers than there can be are sorted rather than counted."""
Ints = npt.NDArray[np.int64]


class Asked(NamedTuple):
    """A query by numbers."""

    items: Ints
    """int64 [n], items of the past in order of time, as far as they are known."""
    times_us: Ints
    is_target: npt.NDArray[np.bool_]
    """bool [n], whether each is of a kind that is asked for."""
    row: int
    """Of the same visit or shopper in TRAIN; -1 for none."""
    now_us: int
    excluded: Ints


class Coded:
    """Events of interest by numbers, row after row and in order of time within one.

    A row is a visit where the next item of a visit is asked for, and a shopper (a user; a session of somebody unknown)
    where the future of users is.
    """

    def __init__(self, events: Iterable[Event], protocol: ProtocolName, is_target: TargetRule) -> None:
        self._protocol = protocol
        self._is_target = is_target
        kept = [event for event in events if isinstance(event, Interaction) and event.kind in INTEREST]
        self.numbers: dict[str, int] = {}
        self._row_numbers: dict[str, int] = {}
        items = [self.numbers.setdefault(event.item_id, len(self.numbers)) for event in kept]
        rows = [self._row_numbers.setdefault(self._row_key(event), len(self._row_numbers)) for event in kept]
        self.item_ids = list(self.numbers)
        times = np.array([event.time_us for event in kept], np.int64)
        targets = np.array([is_target(event) for event in kept], np.bool_)
        order = np.lexsort((times, np.array(rows, np.int64)))
        self.rows = np.array(rows, np.int64)[order]
        self.items = np.array(items, np.int64)[order]
        self.times_us = times[order]
        self.is_target = targets[order]
        self.starts = np.searchsorted(self.rows, np.arange(len(self._row_numbers) + 1))
        """int64 [n_rows + 1], where each row begins."""
        self.popularity = np.bincount(self.items[self.is_target], minlength=len(self.item_ids)).astype(np.float64)
        """float64 [n_items], events that are of a kind asked for."""
        recent = self.is_target & (self.times_us >= self.end_us - self.span_us // 10)
        self.recent_popularity = np.bincount(self.items[recent], minlength=self.n_items).astype(np.float64)
        """float64 [n_items], those of the last tenth of the time."""

    @property
    def n_rows(self) -> int:
        """How many visits or shoppers there are."""
        return len(self._row_numbers)

    @property
    def n_items(self) -> int:
        """How many items there are."""
        return len(self.item_ids)

    @property
    def end_us(self) -> int:
        """The time of the latest event."""
        return int(self.times_us.max()) if len(self.times_us) else 0

    @property
    def span_us(self) -> int:
        """From the first event to the latest."""
        return self.end_us - int(self.times_us.min()) if len(self.times_us) else 0

    def matrix(self, *, counted: bool = False) -> Any:
        """Return float32 csr [n_rows, n_items]: 1 where the row has an event with the item, or how many."""
        shape = self.n_rows, self.n_items
        matrix = sp.csr_matrix((np.ones(len(self.items), np.float32), (self.rows, self.items)), shape=shape)
        matrix.sum_duplicates()
        if not counted:
            matrix.data[:] = 1.0
        return matrix

    def ask(self, query: Query) -> Asked:
        """Return a query by numbers."""
        past = [event for event in query.past if event.item_id in self.numbers and event.kind in INTEREST]
        if self._protocol == "next-item":
            past = [event for event in past if event.session_id == query.session_id]
            row = self._row_numbers.get(query.session_id, -1)
        else:
            row = self._row_numbers.get(query.user_id or query.session_id, -1)
        return Asked(
            np.array([self.numbers[event.item_id] for event in past], np.int64),
            np.array([event.time_us for event in past], np.int64),
            np.array([self._is_target(event) for event in past], np.bool_),
            row,
            query.now_us,
            np.array([self.numbers[item] for item in query.exclude if item in self.numbers], np.int64),
        )

    def _row_key(self, event: Interaction) -> str:
        return event.session_id if self._protocol == "next-item" else event.user_id or event.session_id


def latest_times(items: Ints, times_us: Ints) -> tuple[Ints, Ints]:
    """Return the different items of a sequence, and how many later times there are than the latest one of each."""
    unique, last_from_end = np.unique(items[::-1], return_index=True)
    latest = times_us[::-1][last_from_end]
    later = np.unique(-latest, return_inverse=True)[1]
    return unique, np.asarray(later, dtype=np.int64)


def added(numbers: Ints, weights: npt.NDArray[np.float64], count: int) -> tuple[Ints, npt.NDArray[np.float64]]:
    """Return different numbers, and the sum of the weights of each.

    Args:
        numbers: below ``count``.
        weights: one for each.
        count: decides how they are added up.
    """
    if len(numbers) * _SPARSE < count:
        different, places = np.unique(numbers, return_inverse=True)
        return different.astype(np.int64), np.bincount(places, weights, len(different)).astype(np.float64)
    sums = np.bincount(numbers, weights, count).astype(np.float64)
    different = np.flatnonzero(sums).astype(np.int64)
    return different, sums[different]


def gather(starts: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Return the places of all entries of these rows, one row after the other, and how many each has."""
    lengths = starts[rows + 1] - starts[rows]
    ends = lengths.cumsum()
    places = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts[rows] - (ends - lengths), lengths)
    return places, lengths

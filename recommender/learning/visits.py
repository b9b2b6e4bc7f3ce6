"""The visits of late: neighbours and next items as of now, between trainings."""

from __future__ import annotations

from array import array
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommender.features.session import VISIT_GAP_US
from recommender.learning.embeddings import Rows
from recommender.model.links import Links
from recommender.model.parts import Parts
from recommender.model.visits import Visits
from recommender.training.fitting import FOLLOWER_HALF_LIFE_US, followers, links_of
from recommender.training.sources import LATEST_EVENTS, VISIT_ITEMS

_MOST_RECENT = 1_000_000
"""Events of late that are kept, the latest ones [count]."""


class _Events(NamedTuple):
    sessions: Rows
    items: Rows
    times_us: Rows


class RecentVisits:
    """Who looked at what since a version was made."""

    def __init__(self) -> None:
        self._sessions, self._items, self._times_us = array("q"), array("q"), array("q")

    def __len__(self) -> int:
        return len(self._items)

    def add(self, session: int, item: int, time_us: int) -> None:
        """Take an event.

        Args:
            session: a number of the session.
            item: the item's number.
            time_us: when [us since 1970 UTC].
        """
        if len(self._items) >= 2 * _MOST_RECENT:
            for column in (self._sessions, self._items, self._times_us):
                del column[:_MOST_RECENT]
        self._sessions.append(session)
        self._items.append(item)
        self._times_us.append(time_us)

    def added_to(self, parts: Parts, places: npt.NDArray[np.int64], n_items: int) -> Parts:
        """Return the parts with the visits of late, and what follows what in them.

        Args:
            parts: those of the version; its items have the same places in the new one.
            places: int64 [n], place of each item number in the new version, -1 for none.
            n_items: items of the new version.
        """
        recent = self._visits(places)
        if not len(recent):
            return parts
        visits = _joined(parts.visits, recent)
        return parts._replace(visits=visits, followers=_followers(parts, recent, n_items))

    def _visits(self, places: npt.NDArray[np.int64]) -> Visits:
        """Return the visits: sessions until they pause for 30 minutes."""
        columns = (np.array(column, np.int64) for column in (self._sessions, self._items, self._times_us))
        events = _Events(*columns)
        placed = places[events.items]
        kept = placed >= 0
        sessions, items, times_us = events.sessions[kept], placed[kept], events.times_us[kept]
        order = np.lexsort((times_us, sessions))
        begins = np.ones(len(order), np.int64)
        begins[1:] = (np.diff(sessions[order]) != 0) | (np.diff(times_us[order]) > VISIT_GAP_US)
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.cumsum(begins)
        return Visits.of_events(numbers, items, times_us, VISIT_ITEMS)


def _joined(old: Visits, new: Visits) -> Visits:
    """Return the visits of both in order of their ends, as many of the latest as an index may have."""
    ends = np.concatenate([old.ends_us, new.ends_us])
    starts = np.concatenate([old.starts[:-1], new.starts[:-1] + len(old.items)])
    lengths = np.concatenate([np.diff(old.starts), np.diff(new.starts)])
    items = np.concatenate([old.items, new.items])
    order = np.argsort(ends, kind="stable")
    room = np.cumsum(lengths[order][::-1]) <= LATEST_EVENTS
    order = order[len(order) - int(room.sum()) :]
    lengths, starts = lengths[order], starts[order]
    begins = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.arange(begins[-1]) + np.repeat(starts - begins[:-1], lengths)
    return Visits(begins, items[places].astype(np.int32), ends[order])


def _followers(parts: Parts, recent: Visits, n_items: int) -> Links:
    """Add what follows what of late to what did, which has aged since; the largest are found anew in touched rows."""
    late = followers(recent, n_items)
    old = parts.followers
    lengths = np.zeros(n_items, np.int64)
    lengths[: len(old.starts) - 1] = np.diff(old.starts)
    last_us = int(parts.visits.ends_us[-1]) if len(parts.visits) else int(recent.ends_us[-1])
    left = 2.0 ** (-(int(recent.ends_us[-1]) - last_us) / FOLLOWER_HALF_LIFE_US)
    weights = (old.weights * min(1.0, left)).astype(np.float32)
    whole = sp.csr_matrix((weights, old.items, np.concatenate([[0], np.cumsum(lengths)])), shape=(n_items, n_items))
    touched = np.flatnonzero(np.diff(late.starts))
    rows = sp.csr_matrix((late.weights, late.items, late.starts), shape=(n_items, n_items))
    return _with_rows(whole, touched, links_of(whole[touched] + rows[touched]))


def _with_rows(matrix: Any, numbers: Rows, rows: Links) -> Links:
    """Return a matrix as links, with some rows in place of its own."""
    lengths = np.diff(matrix.indptr).astype(np.int64)
    sources = matrix.indptr[:-1].astype(np.int64)
    lengths[numbers], sources[numbers] = np.diff(rows.starts), rows.starts[:-1] + len(matrix.indices)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    places = np.arange(starts[-1]) + np.repeat(sources - starts[:-1], lengths)
    items, weights = np.concatenate([matrix.indices, rows.items]), np.concatenate([matrix.data, rows.weights])
    return Links(starts, items[places].astype(np.int32), weights[places].astype(np.float32))

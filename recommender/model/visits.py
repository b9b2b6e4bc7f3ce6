"""An index of visits: which items shoppers met one after the other, and who met the same ones.

Source: Kersbergen, Sprangers, Schelter, "Serenade: Low-Latency Session-Based Recommendation in e-Commerce at Scale",
SIGMOD 2022 (VMIS-kNN: of each item only the latest visits are looked at).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.model.best import best
from recommender.model.links import Floats, Numbers
from recommender.model.sums import places_of, sum_by_number

Int64s = npt.NDArray[np.int64]

LATEST_VISITS = 500
"""Visits of each item that are looked at, the latest ones (m of VMIS-kNN)."""
NEIGHBOURS = 200
"""Visits most like a shopper's that are asked for their items (k of VMIS-kNN)."""


class Visits:
    """Visits in order of their ends, and the items of each in order of time.

    Args:
        starts: int64 [n_visits + 1], where each begins in ``items``.
        items: int32 [n], numbers of items.
        ends_us: int64 [n_visits], when each ended, ascending [us since 1970 UTC].
    """

    def __init__(self, starts: Int64s, items: Numbers, ends_us: Int64s) -> None:
        self.starts = starts
        self.items = items
        self.ends_us = ends_us

    @classmethod
    def of_events(cls, sequence: npt.NDArray[Any], items: npt.NDArray[Any], times_us: Int64s, most: int) -> Visits:
        """Put together the index of events.

        Args:
            sequence: int [n], which visit each event belongs to; any numbers.
            items: int [n].
            times_us: int64 [n].
            most: items of a visit that are kept, the latest ones; repeats of one item count once, the last one.

        Visits with a single item say nothing and are left out.
        """
        order = np.lexsort((times_us, sequence))
        sequence, items, times_us = sequence[order], items[order], times_us[order]
        # The last of each item in a visit stays.
        backwards = np.arange(len(items))[::-1]
        each_item = sequence.astype(np.int64) * (int(items.max(initial=0)) + 1) + items
        _, last = np.unique(each_item[backwards], return_index=True)
        kept = np.sort(backwards[last])
        sequence, items, times_us = sequence[kept], items[kept], times_us[kept]
        ends = np.flatnonzero(np.r_[sequence[1:] != sequence[:-1], True]) if len(items) else np.empty(0, np.int64)
        begins = np.r_[0, ends[:-1] + 1] if len(ends) else ends
        begins = np.maximum(begins, ends + 1 - most)
        several = ends > begins
        begins, ends = begins[several], ends[several]
        by_end = np.argsort(times_us[ends], kind="stable")
        begins, ends = begins[by_end], ends[by_end]
        lengths = ends - begins + 1
        starts = np.r_[0, np.cumsum(lengths)].astype(np.int64)
        places = np.arange(starts[-1]) + np.repeat(begins - starts[:-1], lengths)
        return cls(starts, items[places].astype(np.int32), times_us[ends].astype(np.int64))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Visits:
        """Return the index that `arrays` are of, without computing anything again."""
        index = cls(arrays["starts"], arrays["items"], arrays["ends_us"])
        index._by_item = arrays["by_item"], arrays["begins"]
        index._rarity = arrays["rarity"]
        return index

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that questions are answered from, what is computed before the first one included."""
        by_item, begins = self._by_item
        kept: dict[str, npt.NDArray[Any]] = {"starts": self.starts, "items": self.items, "ends_us": self.ends_us}
        return kept | {"by_item": by_item, "begins": begins, "rarity": self._rarity}

    def __len__(self) -> int:
        return len(self.ends_us)

    def alike(self, items: npt.NDArray[Any], weights: npt.NDArray[Any]) -> tuple[Numbers, Floats]:
        """Return the items of the visits most like a shopper's, in no order, with their scores.

        Args:
            items: int [n], distinct items that the shopper met lately.
            weights: float [n], how much each counts.
        """
        by_item, begins = self._by_item
        known = items + 1 < len(begins)
        items, weights = items[known], weights[known]
        ends = begins[items + 1]
        starts = np.maximum(begins[items], ends - LATEST_VISITS)
        lengths = ends - starts
        weights = (weights.astype(np.float32) * self._rarity[items]).repeat(lengths)
        visits, likeness = sum_by_number(by_item[places_of(starts, lengths)], weights)
        if len(visits) > NEIGHBOURS:
            # Of equally similar visits the later ones, which have the higher numbers.
            chosen = best(likeness, NEIGHBOURS, -visits)
            visits, likeness = visits.take(chosen), likeness.take(chosen)
        starts = self.starts[visits]
        lengths = self.starts[visits + 1] - starts
        reached, sums = sum_by_number(self.items[places_of(starts, lengths)], likeness.repeat(lengths))
        return reached, (sums * self._rarity[reached]).astype(np.float32)

    @cached_property
    def _by_item(self) -> tuple[Numbers, Int64s]:
        """The numbers of the visits of each item, ascending, and where those of each item begin."""
        visit = np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.starts))
        order = np.argsort(self.items, kind="stable")
        counts = np.bincount(self.items) if len(self.items) else np.zeros(0, np.int64)
        return visit[order], np.r_[0, np.cumsum(counts)].astype(np.int64)

    @cached_property
    def _rarity(self) -> Floats:
        """``log(visits / visits with the item)`` of each item, at least a little."""
        counts = np.diff(self._by_item[1])
        rarity: Floats = np.log1p(len(self) / np.maximum(counts, 1)).astype(np.float32)
        return rarity

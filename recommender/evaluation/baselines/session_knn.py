"""Session kNN: what visits like this one had.

Source: Jannach and Ludewig, "When Recurrent Neural Networks meet the Neighborhood for Session-Based Recommendation",
RecSys 2017 (S-KNN); Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI 2018 (VS-KNN:
late items of the visit count for more); inverse frequency as in Kersbergen et al., "Serenade", SIGMOD 2022 (VMIS-kNN),
which also looks at no more than the latest visits of each item.
"""

from __future__ import annotations

import numpy as np

from recommender.evaluation.baselines.base import Baseline, Learned, Scores, Sparse
from recommender.evaluation.coded import Asked, Coded, Ints, added, gather, latest_times
from recommender.evaluation.contest import Parameters

_POSITIONS = 10
"""Of the linear weights: the tenth item before the last one and all before it count nothing."""


class _Neighbours(Sparse):
    def __init__(self, known: Coded, parameters: Parameters) -> None:
        super().__init__(known)
        self._sample: int = parameters["m"]
        self._k: int = parameters["k"]
        self._weighting: str = parameters["weighting"]
        matrix = known.matrix()
        last_times = known.times_us[known.starts[1:] - 1]
        by_age = matrix[np.argsort(last_times, kind="stable")]  # rows by number: the later one is the higher
        self._items, self._item_starts = by_age.indices.astype(np.int64), by_age.indptr.astype(np.int64)
        by_item = by_age.tocsc()
        by_item.sort_indices()
        self._rows, self._row_starts = by_item.indices.astype(np.int64), by_item.indptr.astype(np.int64)
        self._root_lengths = np.sqrt(np.maximum(np.diff(self._item_starts), 1))
        rows_of_item = np.maximum(np.diff(self._row_starts), 1)
        self._rarity = np.log(max(2, known.n_rows) / rows_of_item) if parameters["idf"] else np.ones(known.n_items)

    def scored(self, asked: Asked) -> tuple[Ints, Scores]:
        if not len(asked.items):
            return asked.items, np.empty(0)
        items, later = latest_times(asked.items, asked.times_us)
        weights = self._weights(later)
        kept = weights > 0
        rows, common = self._visits(items[kept])
        weight = weights[kept][common]
        candidates, place = np.unique(rows, return_inverse=True)
        similarity = np.bincount(place, weights=weight * self._rarity[items[kept][common]])
        latest_weight = np.zeros(len(candidates))
        np.maximum.at(latest_weight, place, weight)
        if self._weighting == "same":
            similarity = similarity / self._root_lengths[candidates]
        recent = np.arange(max(0, len(candidates) - self._sample), len(candidates))
        nearest = recent[np.argsort(-similarity[recent], kind="stable")[: self._k]]
        places, lengths = gather(self._item_starts, candidates[nearest])
        votes = np.repeat(similarity[nearest] * latest_weight[nearest], lengths)
        found, scores = added(self._items[places], votes, self.known.n_items)
        return found, scores * self._rarity[found]

    def _weights(self, later: Ints) -> Scores:
        if self._weighting == "linear":
            return np.asarray(np.maximum(0.0, 1.0 - later / _POSITIONS), dtype=np.float64)
        return np.asarray(1.0 / (1.0 + later) if self._weighting == "div" else np.ones(len(later)))

    def _visits(self, items: Ints) -> tuple[Ints, Ints]:
        """Return the latest visits of each item, and for each which item it is of."""
        ends = self._row_starts[items + 1]
        starts = np.maximum(self._row_starts[items], ends - self._sample)
        lengths = ends - starts
        offsets = lengths.cumsum() - lengths
        places = np.arange(lengths.sum()) + np.repeat(starts - offsets, lengths)
        return self._rows[places], np.repeat(np.arange(len(items)), lengths)


class SessionKnn(Baseline):
    """Looks at the ``m`` latest visits with an item in common, and lets the ``k`` most similar vote.

    ``weighting`` is that of the visit's items by their places from the end: "linear", "div" (1 / place) or "same",
    which is the cosine of the two sets. For users, the visit is all that they had.
    """

    name = "session_knn"
    grid = (
        {"m": 500, "k": 100, "weighting": "linear", "idf": False},
        {"m": 2_500, "k": 500, "weighting": "linear", "idf": False},
        {"m": 2_500, "k": 500, "weighting": "linear", "idf": True},
        {"m": 2_500, "k": 500, "weighting": "div", "idf": False},
        {"m": 2_500, "k": 500, "weighting": "same", "idf": False},
        {"m": 5_000, "k": 100, "weighting": "same", "idf": False},
    )

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Index the visits by their items."""
        return _Neighbours(known, parameters)

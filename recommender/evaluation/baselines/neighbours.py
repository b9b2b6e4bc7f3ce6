"""Items that go together: co-visitation, and rules from an item to the next ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.evaluation.baselines.base import Baseline, Learned, Scores, Sparse
from recommender.evaluation.coded import Asked, Coded, Ints, added, gather, latest_times
from recommender.evaluation.contest import Contest, Parameters
from recommender.evaluation.split import read_duration_us

_MOST_PER_ROW = 200
"""Latest different items of a row that are paired with each other."""
_STEPS = 10


class _Linked(Sparse):
    """Scores by the links of the past's items, each weighed by how late it is.

    Args:
        known: what was learned from.
        links: csr [n_items, n_items].
        fading: weight of an item against that of the one after it; 0 for the last item alone, 1 for all alike.
    """

    def __init__(self, known: Coded, links: Any, fading: float) -> None:
        super().__init__(known)
        self._links = links
        self._fading = fading

    def scored(self, asked: Asked) -> tuple[Ints, Scores]:
        items, later = latest_times(asked.items, asked.times_us)
        weights = np.float_power(self._fading, later)
        kept = weights > 0
        items, weights = items[kept], weights[kept]
        places, lengths = gather(self._links.indptr, items)
        votes = np.repeat(weights, lengths) * self._links.data[places]
        return added(self._links.indices[places], votes, self.known.n_items)


class Covisitation(Baseline):
    """What was had by those who had the same items.

    Source: Sarwar et al., "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001 (cosine); plain
    counts as in Linden et al., "Amazon.com Recommendations", IEEE Internet Computing 2003.
    """

    name = "covisitation"
    grid = (
        {"similarity": "counts", "fading": 0.0},
        {"similarity": "counts", "fading": 0.8},
        {"similarity": "cosine", "fading": 0.8},
        {"similarity": "cosine", "fading": 1.0},
    )

    def __init__(self, contest: Contest) -> None:
        super().__init__(contest)
        self._counts: tuple[Coded, Any] | None = None

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Count how many rows have two items."""
        if self._counts is None or self._counts[0] is not known:
            self._counts = known, _together(known)
        links = self._counts[1]
        if parameters["similarity"] == "cosine":
            rows_of_item = np.maximum(np.bincount(known.matrix().indices, minlength=known.n_items), 1)
            scale = sp.diags(1.0 / np.sqrt(rows_of_item))
            links = (scale @ links @ scale).tocsr()
        return _Linked(known, links, parameters["fading"])


class NextItem(Baseline):
    """What comes next after the same items, later rules counting for more.

    A rule from an item to one that comes up to ten places after it weighs 1 / places, halved with each half-life.
    Source: sequential rules (SR) in Ludewig and Jannach, "Evaluation of session-based recommendation algorithms", UMUAI
    2018; rules of several items of the past and their half-life are ours.
    """

    name = "next_item"
    grid = (
        {"fading": 0.0, "half_life": ""},
        {"fading": 0.6, "half_life": ""},
        {"fading": 0.6, "half_life": "2d"},
        {"fading": 0.6, "half_life": "28d"},
    )

    def learn(self, known: Coded, parameters: Parameters) -> Learned:
        """Count the rules."""
        ages = (known.end_us - known.times_us).astype(np.float64)
        half_life = parameters["half_life"]
        freshness = np.exp2(-ages / read_duration_us(half_life)) if half_life else np.ones(len(ages))
        before, after, weights = [], [], []
        for step in range(1, min(_STEPS, len(known.items) - 1) + 1):
            same = known.rows[step:] == known.rows[:-step]
            before.append(known.items[:-step][same])
            after.append(known.items[step:][same])
            weights.append(freshness[step:][same] / step)
        shape = known.n_items, known.n_items
        if not before:
            return _Linked(known, sp.csr_matrix(shape), parameters["fading"])
        entries = np.concatenate(weights), (np.concatenate(before), np.concatenate(after))
        return _Linked(known, sp.csr_matrix(entries, shape=shape), parameters["fading"])


def _together(known: Coded) -> Any:
    matrix = _latest_of_rows(known)
    links = (matrix.T @ matrix).tocsr()
    links.setdiag(0.0)
    links.eliminate_zeros()
    return links


def _latest_of_rows(known: Coded) -> Any:
    from_end = known.starts[known.rows + 1] - 1 - np.arange(len(known.rows))
    kept = from_end < _MOST_PER_ROW
    shape = known.n_rows, known.n_items
    matrix = sp.csr_matrix((np.ones(kept.sum(), np.float32), (known.rows[kept], known.items[kept])), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix

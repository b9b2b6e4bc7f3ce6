"""Where candidates come from. Each source gives rows of the item table and scores from 0 to 1 of its own scale.

Candidates may be unavailable or excluded; that is looked at once, when the slate is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.features.ageing import fading
from recommender.features.item_activity import NEIGHBOUR_HALF_LIFE_US
from recommender.serving.item_table import ItemTable, Neighbours, best
from recommender.serving.ports import Floats, Rows, Scores

MODEL_CANDIDATES = 200
TRENDING_CANDIDATES = 200
CATEGORY_CANDIDATES = 50
CATEGORIES = 5
_PRIOR_PAIRS = 2.0
"""Added to an item's number of pairs, so that a single meeting is not taken for certainty."""


class Candidates(NamedTuple):
    """What one source proposes. Rows may occur more than once; their scores then add up."""

    source: str
    rows: Rows
    scores: Scores


def by_model(table: ItemTable, vector: Floats, among: Rows | None = None) -> Candidates:
    """Return the available items that the model scores highest: exact, over all items or ``among`` some."""
    vectors = table.vectors
    if vectors is None:
        return _nothing("model")
    size = len(table.ids)
    return _top("model", vectors.scores(vector, size), table.available & vectors.known(size), among)


def by_content(table: ItemTable, row: int) -> Candidates:
    """Return the available items that the model places nearest to an item."""
    vectors = table.vectors
    size = len(table.ids)
    if vectors is None or not vectors.known(size)[row]:
        return _nothing("model")
    return _top("model", vectors.similarities(row, size), table.available & vectors.known(size), None)


def by_neighbours(table: ItemTable, items: Mapping[int, float], kind: str, now_us: int) -> Candidates:
    """Return the items met together with some items (row to weight); ``kind`` is also_viewed or also_bought.

    One pair of an item weighs as much as its share in all pairs of that item, as of ``now_us``.
    """
    of_row: Sequence[Neighbours] = table.also_viewed if kind == "also_viewed" else table.also_bought
    rows: list[Rows] = []
    scores: list[Scores] = []
    for row, weight in items.items():
        near = of_row[row]
        if len(near.rows):
            rows.append(near.rows)
            left = fading(near.feature_time_us, now_us, NEIGHBOUR_HALF_LIFE_US)
            share = left * weight / (left * near.pairs + _PRIOR_PAIRS)
            scores.append(near.scores * np.float64(share))  # what is left may be less than a float32 can tell from 0
    if not rows:
        return _nothing(kind)
    where, inverse = np.unique(np.concatenate(rows), return_inverse=True)
    sums: Scores = np.bincount(inverse, np.concatenate(scores)).astype(np.float64)
    return Candidates(kind, where, _scaled(sums))


def by_category(table: ItemTable, categories: Mapping[str, float]) -> Candidates:
    """Return the items in demand in some categories (category to weight, the strongest first)."""
    rows: list[Rows] = []
    scores: list[Scores] = []
    strongest = next(iter(categories.values()), 0.0)
    for category, weight in list(categories.items())[:CATEGORIES]:
        if weight <= 0.0:  # looked at so long ago that nothing is left of it
            break
        found = table.trending(category, CATEGORY_CANDIDATES)
        rows.append(found)
        scores.append(_by_rank(len(found)) * (weight / strongest))
    if not rows:
        return _nothing("category")
    return Candidates("category", np.concatenate(rows), np.concatenate(scores))


def by_trend(table: ItemTable, category: str | None = None) -> Candidates:
    """Return the items in demand, in the whole shop or in a category."""
    rows = table.trending(category, TRENDING_CANDIDATES)
    return Candidates("trending", rows, _by_rank(len(rows)))


def again(items: Mapping[int, float]) -> Candidates:
    """Return items looked at lately (row to weight), to be seen again."""
    rows = np.fromiter(items, np.intp, len(items))
    return Candidates("recent", rows, _scaled(np.fromiter(items.values(), np.float64, len(items))))


def by_text(table: ItemTable, query: str) -> Candidates:
    """Return the items whose description shares words with a query."""
    rows, scores = table.text.match(query)
    return Candidates("search", rows, scores)


def only(candidates: Iterable[Candidates], inside: npt.NDArray[np.bool_]) -> list[Candidates]:
    """Return the candidates that are inside; ``inside`` has a flag for each row of the table."""
    return [Candidates(c.source, c.rows[inside[c.rows]], c.scores[inside[c.rows]]) for c in candidates]


def _top(source: str, scores: Floats, eligible: npt.NDArray[np.bool_], among: Rows | None) -> Candidates:
    rows = np.flatnonzero(eligible) if among is None else among[eligible[among]]
    chosen = scores[rows]
    places = best(chosen, MODEL_CANDIDATES)
    found = chosen[places].astype(np.float64)
    if len(found) > 1 and found[0] > found[-1]:
        found = (found - found[-1]) / (found[0] - found[-1])
    else:
        found = np.ones(len(found))
    return Candidates(source, rows[places], found)


def _scaled(scores: Scores) -> Scores:
    highest = scores.max(initial=0.0)
    return scores / highest if highest > 0 else scores


def _by_rank(ranks: int) -> Scores:
    """Return 1, 10/11, 10/12 ...: what is in demand falls off slowly, and its amounts differ between shops."""
    return 10.0 / (10.0 + np.arange(ranks, dtype=np.float64))


def _nothing(source: str) -> Candidates:
    return Candidates(source, np.empty(0, np.intp), np.empty(0))

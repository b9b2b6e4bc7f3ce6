"""Where candidates come from. Each source gives rows of the item table, and scores of its own scale, above 0.

Candidates may be unavailable or excluded; that is looked at once, when the slate is made.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.features.ageing import fading
from recommender.features.item_activity import NEIGHBOUR_HALF_LIFE_US
from recommender.model.links import Links
from recommender.model.sums import sum_by_number
from recommender.model.visits import Visits
from recommender.serving.interest import Look
from recommender.serving.item_table import NEW_FOR_US, ItemTable, Neighbours, best
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.ports import Floats, Rows, Scores

MODEL_CANDIDATES = 100
TRENDING_CANDIDATES = 50
POPULAR_CANDIDATES = 50
CATEGORY_CANDIDATES = 50
"""Of the category that weighs most; of others as many less as they weigh less."""
LINKED_CANDIDATES = 100
NEW_CANDIDATES = 20
CATEGORIES = 5
ASKED_ALL = 20_000
"""So many items are all asked for their scores, even where there is an index [count]."""
_PRIOR_PAIRS = 2.0
"""Added to an item's number of pairs, so that a single meeting is not taken for certainty."""
_ALIKE_ITEMS = 10
"""How many of a shopper's latest items are looked up in the index of visits."""
_FOLLOWED_INSTANTS = 5
"""How many of the instants at which a shopper looked at items, or bought some, are asked for what followed them."""
_FOLLOWED_ITEMS = 50
_FOLLOWED_DECAY = 0.6
_FALLING = 10.0 / (10.0 + np.arange(512, dtype=np.float64))
_FALLING.setflags(write=False)


Flags = npt.NDArray[np.bool_]
"""One for each row of the item table."""


class Candidates(NamedTuple):
    """What one source proposes: rows, each once, and their scores.

    The highest score is first, and so on; only what a search finds comes by row.
    """

    source: str
    rows: Rows
    scores: Scores


def by_model(table: ItemTable, vector: Floats, inside: Flags | None = None) -> Candidates:
    """Return the available items that the model scores highest, over all items or those inside; few are all asked."""
    vectors = table.vectors
    if vectors is None:
        return nothing("model")
    if inside is None:
        return _above_the_last("model", *vectors.top(vector, table.available, MODEL_CANDIDATES))
    among = np.flatnonzero(inside & table.available)
    if len(among) > ASKED_ALL:
        return _above_the_last("model", *vectors.top(vector, table.available & inside, MODEL_CANDIDATES))
    scores = vectors.scores_of(vector, among)
    known = ~np.isnan(scores)
    among, scores = among[known], scores[known]
    places = best(scores, MODEL_CANDIDATES)
    return _above_the_last("model", among[places], scores[places])


def by_content(table: ItemTable, row: int) -> Candidates:
    """Return the available items that the model places nearest to an item."""
    if table.vectors is None:
        return nothing("model")
    return _above_the_last("model", *table.vectors.nearest(row, table.available, MODEL_CANDIDATES))


def by_visits(vectors: ItemVectors, index: Visits, items: Sequence[str], source: str) -> Candidates:
    """Return the items of the visits most like the shopper's latest items, the latest first, each counting less."""
    numbers = vectors.numbering.numbers(items[:_ALIKE_ITEMS])
    numbers = numbers[numbers >= 0]
    if not len(index) or not len(numbers):
        return nothing(source)
    weights = 1.0 / (1.0 + np.arange(len(numbers)))
    found, scores = index.alike(numbers, weights)
    return _placed(vectors, source, found, scores, LINKED_CANDIDATES)


def by_links(vectors: ItemVectors, links: Links, items: Mapping[str, float], source: str) -> Candidates:
    """Return the items that some items lead to, weighted (item to weight)."""
    numbers = vectors.numbering.numbers(items)
    weights = np.fromiter(items.values(), np.float64, len(items))
    found, scores = links.from_all(numbers, weights)
    return _placed(vectors, source, found, scores, LINKED_CANDIDATES)


def lately(looked: Mapping[str, Look]) -> dict[str, float]:
    """Return the weights of a shopper's latest items: those of one instant alike, each instant less than the one after.

    Args:
        looked: items with their latest looks, the latest first.
    """
    weights: dict[str, float] = {}
    instants, at_ms = 0, -1
    for item_id, look in looked.items():
        if look.at_ms != at_ms:
            instants, at_ms = instants + 1, look.at_ms
        if instants > _FOLLOWED_INSTANTS or len(weights) == _FOLLOWED_ITEMS:
            break
        weights[item_id] = _FOLLOWED_DECAY ** (instants - 1)
    return weights


def by_neighbours(table: ItemTable, items: Mapping[int, float], kind: str, now_us: int) -> Candidates:
    """Return the items met together with some items (row to weight); ``kind`` is also_viewed or also_bought.

    One pair of an item weighs as much as its share in all pairs of that item, as of ``now_us``.
    """
    of_row: Sequence[Neighbours] = table.also_viewed if kind == "also_viewed" else table.also_bought
    met: list[Neighbours] = []
    shares: list[float] = []
    for row, weight in items.items():
        near = of_row[row]
        if len(near.rows):
            met.append(near)
            left = fading(near.feature_time_us, now_us, NEIGHBOUR_HALF_LIFE_US)
            shares.append(left * weight / (left * near.pairs + _PRIOR_PAIRS))
    if not met:
        return nothing(kind)
    # In float64: what is left may be less than a float32 can tell from 0.
    lengths = [len(near.rows) for near in met]
    scores = np.concatenate([near.scores for near in met]) * np.array(shares).repeat(lengths)
    return _highest(kind, *sum_by_number(np.concatenate([near.rows for near in met]), scores), LINKED_CANDIDATES)


def by_category(table: ItemTable, categories: Mapping[str, float]) -> Candidates:
    """Return the items in demand in some categories (category to weight, the strongest first)."""
    strongest = next(iter(categories.values()), 0.0)
    rows: list[Rows] = []
    scores: list[Scores] = []
    for category, weight in list(categories.items())[:CATEGORIES]:
        if weight <= 0.0:  # looked at so long ago that nothing is left of it
            break
        share = weight / strongest
        rows.append(table.trending(category, math.ceil(share * CATEGORY_CANDIDATES)))
        scores.append(_by_rank(len(rows[-1])) * share)
    if not rows:
        return nothing("category")
    found, sums = sum_by_number(np.concatenate(rows), np.concatenate(scores))
    return _highest("category", found, sums, len(found))


def by_trend(table: ItemTable, category: str | None = None) -> Candidates:
    """Return the items in demand now, in the whole shop or in a category."""
    rows = table.trending(category, TRENDING_CANDIDATES)
    return Candidates("trending", rows, _by_rank(len(rows)))


def by_popularity(table: ItemTable, category: str | None = None) -> Candidates:
    """Return the items in demand over weeks, in the whole shop or in a category."""
    rows = table.popular(category, POPULAR_CANDIDATES)
    return Candidates("popular", rows, _by_rank(len(rows)))


def by_newness(table: ItemTable, vector: Floats | None, now_us: int) -> Candidates:
    """Return new items that hardly anybody has met, those first that the model places near, else the newest."""
    rows = table.new(now_us)
    if not len(rows):
        return nothing("new")
    scores = (table.listed_ms[rows] - table.listed_ms[rows].min()) / NEW_FOR_US * 1e-3 + 1e-6
    if vector is not None and table.vectors is not None:
        known = table.vectors.scores_of(vector, rows).astype(np.float64)
        scores += np.where(np.isnan(known), 0.0, known - np.nanmin(known, initial=0.0))
    return _highest("new", rows, scores, NEW_CANDIDATES)


def again(table: ItemTable, items: Collection[str], source: str) -> Candidates:
    """Return items that the shopper has had to do with before, the first ones scored highest."""
    rows = table.row_numbers(items)
    rows = rows[rows >= 0]
    return Candidates(source, rows, _by_rank(len(rows)))


def by_text(table: ItemTable, query: str) -> Candidates:
    """Return the items whose description shares words with a query."""
    rows, scores = table.text.match(query)
    return Candidates("search", rows, scores)


def only(candidates: Iterable[Candidates], inside: Flags) -> list[Candidates]:
    """Return the candidates that are inside; ``inside`` has a flag for each row of the table."""
    return [Candidates(c.source, c.rows[inside[c.rows]], c.scores[inside[c.rows]]) for c in candidates]


def nothing(source: str) -> Candidates:
    """Return no candidates."""
    return Candidates(source, np.empty(0, np.intp), np.empty(0))


def shares_of(lists: Sequence[Candidates]) -> Scores:
    """Return each score as a share of its source's highest, one source after the other, none of them empty.

    Where nothing is left of a source's scores the shares are 0.
    """
    scores = [some.scores for some in lists]
    lengths = list(map(len, scores))
    together = np.concatenate(scores)
    highest = np.maximum.reduceat(together, [0, *accumulate(lengths[:-1])])
    highest[highest <= 0.0] = 1.0
    shares: Scores = together / highest.repeat(lengths)
    return shares


def _highest(source: str, rows: Rows, scores: Scores, most: int) -> Candidates:
    places = best(scores, most, rows)
    return Candidates(source, rows.take(places), scores.take(places))


def _placed(
    vectors: ItemVectors, source: str, numbers: npt.NDArray[np.int32], scores: npt.NDArray[np.float32], most: int
) -> Candidates:
    """Return the best of a model's items as rows of the table."""
    places = best(scores, most, numbers)
    rows = vectors.numbering.rows(numbers.take(places))
    here = (rows >= 0).nonzero()[0]
    return Candidates(source, rows.take(here), scores.take(places.take(here)).astype(np.float64))


def _above_the_last(source: str, rows: Rows, scores: Floats) -> Candidates:
    found = scores.astype(np.float64)
    return Candidates(source, rows, found - found.min(initial=np.inf) + 1e-6 if len(found) else found)


def _by_rank(ranks: int) -> Scores:
    """Return 1, 10/11, 10/12 ...: what is in demand falls off slowly, and its amounts differ between shops."""
    return _FALLING[:ranks] if ranks <= len(_FALLING) else 10.0 / (10.0 + np.arange(ranks, dtype=np.float64))

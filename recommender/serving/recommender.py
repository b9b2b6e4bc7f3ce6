"""From a request and the shopper's features to a slate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recommender.features.shopper import Shopper
from recommender.serving.candidates import only
from recommender.serving.gathering import gather
from recommender.serving.interest import Interest, interest
from recommender.serving.item_table import ItemTable
from recommender.serving.matrix import FEATURES, candidate_matrix
from recommender.serving.ranking import rank, rank_learned
from recommender.serving.request import (
    Fallback,
    Slate,
    SlateRequest,
    Surface,
    UnknownCategory,
    UnknownItem,
)
from recommender.serving.selection import choose

WEIGHTS: Mapping[Surface, Mapping[str, float]] = {
    Surface.HOME: {
        "followers": 1.0,
        "visits": 1.0,
        "also_viewed": 1.0,
        "model": 0.6,
        "category": 0.6,
        "recent": 0.5,
        "bought": 0.5,
        "also_bought": 0.3,
        "trending": 0.1,
        "popular": 0.1,
    },
    Surface.SIMILAR: {
        "also_viewed": 1.0,
        "followers": 0.5,
        "model": 0.8,
        "category": 0.4,
        "also_bought": 0.2,
        "trending": 0.01,
    },
    Surface.TRENDING: {"trending": 1.0},
    Surface.CART: {
        "also_bought": 1.0,
        "linear": 0.5,
        "visits": 0.5,
        "also_viewed": 0.5,
        "model": 0.3,
        "category": 0.1,
        "trending": 0.05,
    },
    Surface.CATEGORY: {"model": 0.6, "also_viewed": 0.6, "visits": 0.6, "trending": 0.5, "recent": 0.3},
    Surface.SEARCH: {
        "search": 2.0,
        "model": 0.6,
        "also_viewed": 0.3,
        "visits": 0.3,
        "category": 0.1,
        "trending": 0.05,
    },
}
"""How much each source counts on each surface, set by hand: where no ranker has learned, or none is there yet."""

LEARNED = frozenset({Surface.HOME, Surface.CATEGORY})
"""Surfaces on which the ranker decides, if it was learned on what candidates are described by now."""


def recommend(
    table: ItemTable, request: SlateRequest, shopper: Shopper, *, now_us: int, store_available: bool = True
) -> Slate:
    """Make a slate: available items, each once, ``request.n`` of them as long as there are enough.

    Args:
        table: the items.
        request: what is asked for.
        shopper: the feature rows of who is asking, as of ``now_us``.
        now_us: the instant of the request.
        store_available: whether the shopper's features could be read.

    Raises:
        UnknownItem: the request names an item that the table does not have.
        UnknownCategory: the request names a category in which no item was ever seen.
    """
    if request.category is not None and not table.has_category(request.category):
        raise UnknownCategory(request.category)
    anchor = None if request.item_id is None else table.row_of(request.item_id)
    if request.item_id is not None and anchor is None:
        raise UnknownItem(request.item_id)
    wishes = interest(shopper)
    candidates, vector = gather(table, request, shopper, wishes, anchor, now_us)
    if request.category is not None:
        inside = np.zeros(len(table.ids), bool)
        inside[table.in_category(request.category)] = True
        candidates = only(candidates, inside)
    ranker = table.vectors.model.parts.ranker if table.vectors else None
    # Of who is unknown only demand tells candidates apart; the ranker has filled such slates with new items.
    if wishes and ranker is not None and ranker.features == FEATURES and request.surface in LEARNED:
        matrix = candidate_matrix(table, wishes, shopper.sessions, candidates, vector, now_us)
        ranking = rank_learned(matrix, ranker, candidates)
    else:
        ranking = rank(candidates, WEIGHTS[request.surface])
    barred = set(table.rows_of(request.exclude))
    if request.surface in (Surface.CART, Surface.SIMILAR):
        barred.update(table.rows_of(wishes.cart))
    if anchor is not None:
        barred.add(anchor)
    items = choose(table, request, ranking, candidates, barred)
    model = table.vectors.model.version if table.vectors else None
    return Slate(items, model, _fallback(table, request, wishes, store_available))


def _fallback(table: ItemTable, request: SlateRequest, wishes: Interest, store_available: bool) -> Fallback | None:
    if request.surface is Surface.TRENDING:
        return None
    if not store_available:
        return Fallback.STORE_UNAVAILABLE
    if request.surface is not Surface.SIMILAR and not wishes:
        return Fallback.UNKNOWN_SHOPPER
    return Fallback.NO_MODEL if table.vectors is None else None

"""From a request and the shopper's features to a slate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recommender.features import SessionFeatures, UserFeatures
from recommender.model.description import describe_shopper
from recommender.serving.candidates import (
    Candidates,
    again,
    by_category,
    by_content,
    by_model,
    by_neighbours,
    by_text,
    by_trend,
    only,
)
from recommender.serving.interest import Interest, interest
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import Rows
from recommender.serving.ranking import rank
from recommender.serving.request import (
    Fallback,
    Slate,
    SlateItem,
    SlateRequest,
    Surface,
    UnknownCategory,
    UnknownItem,
)

WEIGHTS: Mapping[Surface, Mapping[str, float]] = {
    Surface.HOME: {
        "also_viewed": 1.0,
        "model": 0.6,
        "category": 0.6,
        "recent": 0.5,
        "also_bought": 0.3,
        "trending": 0.1,
    },
    Surface.SIMILAR: {"also_viewed": 1.0, "model": 0.8, "category": 0.4, "also_bought": 0.2, "trending": 0.01},
    Surface.TRENDING: {"trending": 1.0},
    Surface.CART: {"also_bought": 1.0, "also_viewed": 0.5, "model": 0.3, "category": 0.1, "trending": 0.05},
    Surface.CATEGORY: {"model": 0.6, "also_viewed": 0.6, "trending": 0.5, "recent": 0.3},
    Surface.SEARCH: {"search": 2.0, "model": 0.6, "also_viewed": 0.3, "category": 0.1, "trending": 0.05},
}
"""How much each source counts on each surface, set by hand: who met whom tells most about the next item, the model
adds what no session has shown yet, categories turn the slate with the latest click, demand fills the rest."""


def recommend(
    table: ItemTable,
    request: SlateRequest,
    sessions: Sequence[SessionFeatures],
    user: UserFeatures | None,
    *,
    now_us: int,
    store_available: bool = True,
) -> Slate:
    """Make a slate: available items, each once, ``request.n`` of them as long as there are enough.

    Args:
        table: the items.
        request: what is asked for.
        sessions: the shopper's sessions as of ``now_us``, the latest first.
        user: the row of a known user as of ``now_us``.
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
    wishes = interest(sessions, user)
    candidates = _candidates(table, request, wishes, anchor, sessions, user, now_us)
    among = _among(table, request)
    if among is not None:
        inside = np.zeros(len(table.ids), bool)
        inside[among] = True
        candidates = only(candidates, inside)
    barred = set(table.rows_of((*request.exclude, *wishes.cart)))
    if anchor is not None:
        barred.add(anchor)
    items = _choose(table, request, candidates, barred)
    model = table.vectors.model.version if table.vectors else None
    return Slate(items, model, _fallback(table, request, wishes, store_available))


def _candidates(
    table: ItemTable,
    request: SlateRequest,
    wishes: Interest,
    anchor: int | None,
    sessions: Sequence[SessionFeatures],
    user: UserFeatures | None,
    now_us: int,
) -> list[Candidates]:
    surface = request.surface
    if surface is Surface.TRENDING:
        return [by_trend(table, request.category)]
    if surface is Surface.SIMILAR and anchor is not None:
        catalogue = table.catalogue[anchor]
        category = catalogue.category if catalogue else ""
        return [
            by_neighbours(table, {anchor: 1.0}, "also_viewed", now_us),
            by_neighbours(table, {anchor: 1.0}, "also_bought", now_us),
            by_content(table, anchor),
            by_category(table, {category: 1.0} if category else {}),
            by_trend(table),
        ]
    recent = {row: weight for item, weight in wishes.items.items() if (row := table.row_of(item)) is not None}
    near = recent
    if surface is Surface.CART and wishes.cart:
        near = dict.fromkeys(table.rows_of(wishes.cart), 1.0)
    found = [
        by_neighbours(table, near, "also_viewed", now_us),
        by_neighbours(table, near, "also_bought", now_us),
        by_category(table, wishes.categories),
        by_trend(table, request.category),
        again(recent),
    ]
    if request.query:
        found.append(by_text(table, request.query))
    if table.vectors is not None:
        description = describe_shopper(
            sessions,
            user,
            now_us=now_us,
            device=request.device,
            country=request.country,
            query=request.query,
        )
        vector, known = table.vectors.model.user_vector(description)
        if known:
            among = table.in_category(request.category) if request.category is not None else None
            found.append(by_model(table, vector, among))
    return found


def _among(table: ItemTable, request: SlateRequest) -> Rows | None:
    """Return the rows that the surface allows; None for all."""
    return None if request.category is None else table.in_category(request.category)


def _choose(
    table: ItemTable, request: SlateRequest, candidates: Sequence[Candidates], barred: set[int]
) -> list[SlateItem]:
    ranking = rank(candidates, WEIGHTS[request.surface])
    chosen: list[SlateItem] = []
    taken = set(barred)
    sellable = table.available[ranking.rows]
    for row, score, origin in zip(
        ranking.rows[sellable].tolist(),
        ranking.scores[sellable].tolist(),
        ranking.sources[sellable].tolist(),
        strict=True,
    ):
        if len(chosen) == request.n:
            return chosen
        if row not in taken:
            taken.add(row)
            chosen.append(SlateItem(row, score, candidates[origin].source))
    if len(chosen) < request.n:
        everything = table.trending(request.category, len(table.ids))
        for row in everything.tolist():
            if len(chosen) == request.n:
                break
            if row not in taken:
                taken.add(row)
                chosen.append(SlateItem(row, 0.0, "trending"))
    return chosen


def _fallback(table: ItemTable, request: SlateRequest, wishes: Interest, store_available: bool) -> Fallback | None:
    if request.surface is Surface.TRENDING:
        return None
    if not store_available:
        return Fallback.STORE_UNAVAILABLE
    if request.surface is not Surface.SIMILAR and not wishes:
        return Fallback.UNKNOWN_SHOPPER
    return Fallback.NO_MODEL if table.vectors is None else None

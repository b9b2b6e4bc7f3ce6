"""Which sources are asked on which surface."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from recommender.features.shopper import Shopper
from recommender.model.description import describe_shopper
from recommender.serving.candidates import (
    Candidates,
    Flags,
    again,
    by_category,
    by_content,
    by_links,
    by_model,
    by_neighbours,
    by_newness,
    by_popularity,
    by_text,
    by_trend,
    by_visits,
    lately,
)
from recommender.serving.interest import Interest
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import Floats
from recommender.serving.request import SOURCES, SlateRequest, Surface

_RECENT_DECAY = 0.8
"""What a shopper's items count for the linear model, each relative to the next later one, where order matters."""


class Gathered(NamedTuple):
    """What the sources propose, and the vector that the model has of the shopper."""

    candidates: list[Candidates]
    vector: Floats | None


def gather(
    table: ItemTable,
    request: SlateRequest,
    shopper: Shopper,
    wishes: Interest,
    anchor: int | None,
    now_us: int,
    *,
    wanted: Collection[str] = SOURCES,
    inside: Flags | None = None,
) -> Gathered:
    """Ask the sources of the request's surface.

    Args:
        table: the items.
        request: what is asked for.
        shopper: who asks.
        wishes: the shopper's interest.
        anchor: the row of the item that the request names.
        now_us: the instant of the request.
        wanted: the sources whose say counts; others need not be asked.
        inside: a flag for each row that may be shown at all; None where all may.
    """
    if request.surface is Surface.TRENDING:
        return Gathered([by_trend(table, request.category)], None)
    if request.surface is Surface.RECENTLY_VIEWED:
        return Gathered([again(table, wishes.looked, "recent")], None)
    if request.surface in (Surface.SIMILAR, Surface.BOUGHT_TOGETHER) and anchor is not None:
        return Gathered(_around(table, anchor, now_us, wanted), None)
    items = list(wishes.items)
    recent = {row: weight for item, weight in wishes.items.items() if (row := table.row_of(item)) is not None}
    near = recent
    if request.surface is Surface.CART and wishes.cart:
        items = [*wishes.cart, *(item for item in items if item not in wishes.cart)]
        near = dict.fromkeys(table.rows_of(wishes.cart), 1.0)
    found = [
        by_neighbours(table, near, "also_viewed", now_us),
        by_neighbours(table, near, "also_bought", now_us),
        by_category(table, wishes.categories),
        by_trend(table, request.category),
        by_popularity(table, request.category),
        again(table, wishes.looked, "recent"),
        again(table, wishes.bought, "bought"),
    ]
    if request.query:
        found.append(by_text(table, request.query))
    vectors = table.vectors
    if vectors is None:
        return Gathered([*found, by_newness(table, None, now_us)], None)
    parts = vectors.model.parts
    latest = dict.fromkeys(wishes.cart, 1.0) if near is not recent else lately(wishes.looked)
    all_items = dict.fromkeys([*wishes.bought, *wishes.looked], 1.0)
    recent_items = {item: _RECENT_DECAY**place for place, item in enumerate(items)}
    if "visits" in wanted:
        found.append(by_visits(vectors, parts.visits, items, "visits"))
    if "histories" in wanted:
        found.append(by_visits(vectors, parts.histories, items, "histories"))
    found += [
        by_links(vectors, links, some, source)
        for source, links, some in (
            ("followers", parts.followers, latest),
            ("history_followers", parts.history_followers, latest),
            ("linear", parts.linear, all_items),
            ("linear_recent", parts.linear, recent_items),
        )
        if source in wanted
    ]
    description = describe_shopper(
        shopper, now_us=now_us, device=request.device, country=request.country, query=request.query
    )
    vector, known = vectors.model.user_vector(description)
    found.append(by_newness(table, vector if known else None, now_us))
    if not known:
        return Gathered(found, None)
    if inside is None and request.category is not None:
        inside = np.zeros(len(table.ids), bool)
        inside[table.in_category(request.category)] = True
    found.append(by_model(table, vector, inside))
    return Gathered(found, vector)


def _around(table: ItemTable, anchor: int, now_us: int, wanted: Collection[str]) -> list[Candidates]:
    """Ask what goes with one item."""
    catalogue, vectors = table.catalogue[anchor], table.vectors
    category = catalogue.category if catalogue else ""
    item = {table.ids[anchor]: 1.0}
    found = [
        by_neighbours(table, {anchor: 1.0}, "also_viewed", now_us),
        by_neighbours(table, {anchor: 1.0}, "also_bought", now_us),
        by_category(table, {category: 1.0} if category else {}),
        by_trend(table),
    ]
    if "model" in wanted:
        found.append(by_content(table, anchor))
    if vectors is not None:
        parts = vectors.model.parts
        if "followers" in wanted:
            found.append(by_links(vectors, parts.followers, item, "followers"))
        if "linear" in wanted:
            found.append(by_links(vectors, parts.linear, item, "linear"))
    return found

"""Which sources are asked on which surface."""

from __future__ import annotations

from typing import NamedTuple

from recommender.features.shopper import Shopper
from recommender.model.description import describe_shopper
from recommender.serving.candidates import (
    Candidates,
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
from recommender.serving.request import SlateRequest, Surface

_RECENT_DECAY = 0.8
"""What a shopper's items count for the linear model, each relative to the next later one, where order matters."""


class Gathered(NamedTuple):
    """What the sources propose, and the vector that the model has of the shopper."""

    candidates: list[Candidates]
    vector: Floats | None


def gather(
    table: ItemTable, request: SlateRequest, shopper: Shopper, wishes: Interest, anchor: int | None, now_us: int
) -> Gathered:
    """Ask the sources of the request's surface; ``anchor`` is the row of the item that the request names."""
    if request.surface is Surface.TRENDING:
        return Gathered([by_trend(table, request.category)], None)
    if request.surface is Surface.SIMILAR and anchor is not None:
        return Gathered(_similar(table, anchor, now_us), None)
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
    found += [
        by_visits(vectors, parts.visits, items, "visits"),
        by_visits(vectors, parts.histories, items, "histories"),
        by_links(vectors, parts.followers, latest, "followers"),
        by_links(vectors, parts.history_followers, latest, "history_followers"),
        by_links(vectors, parts.linear, all_items, "linear"),
        by_links(vectors, parts.linear, recent_items, "linear_recent"),
    ]
    description = describe_shopper(
        shopper, now_us=now_us, device=request.device, country=request.country, query=request.query
    )
    vector, known = vectors.model.user_vector(description)
    found.append(by_newness(table, vector if known else None, now_us))
    if not known:
        return Gathered(found, None)
    among = table.in_category(request.category) if request.category is not None else None
    found.append(by_model(table, vector, among))
    return Gathered(found, vector)


def _similar(table: ItemTable, anchor: int, now_us: int) -> list[Candidates]:
    catalogue, vectors = table.catalogue[anchor], table.vectors
    category = catalogue.category if catalogue else ""
    found = [
        by_neighbours(table, {anchor: 1.0}, "also_viewed", now_us),
        by_neighbours(table, {anchor: 1.0}, "also_bought", now_us),
        by_content(table, anchor),
        by_category(table, {category: 1.0} if category else {}),
        by_trend(table),
    ]
    if vectors is not None:
        found.append(by_links(vectors, vectors.model.parts.followers, {table.ids[anchor]: 1.0}, "followers"))
    return found

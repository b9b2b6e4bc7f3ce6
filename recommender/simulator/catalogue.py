"""The items of the simulated shop."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recommender.simulator.range import COLOURS, SHELVES, STYLES, Shelf

CURRENCY = "EUR"
ITEMS_PER_SHELF = 50
_SIMILAR = 8
_COMPANIONS = 3


@dataclass(frozen=True)
class ShopItem:
    """An item as the shop knows it; the last fields are what shoppers feel, which no event tells."""

    item_id: str
    title: str
    category: tuple[str, ...]
    brand: str
    price_cents: int
    style: str
    colour: str
    price_level: float
    """0 for the cheapest of its shelf to 1 for the dearest."""
    appeal: float
    """Natural logarithm of how much it is wanted for no other reason."""

    @property
    def shelf(self) -> str:
        """The code of its shelf."""
        return self.item_id.partition("-")[0]


@dataclass(frozen=True)
class Catalogue:
    """All items, and which of them belong together."""

    items: dict[str, ShopItem]
    shelves: dict[str, list[ShopItem]]
    similar: dict[str, list[ShopItem]]
    """Item id to those that are looked at instead."""
    companions: dict[str, list[ShopItem]]
    """Item id to those that are bought along."""


def make_catalogue(rng: random.Random, items_per_shelf: int = ITEMS_PER_SHELF) -> Catalogue:
    """Make the items of all shelves."""
    shelves = {shelf.code: _stock_shelf(shelf, items_per_shelf, rng) for shelf in SHELVES}
    items = {item.item_id: item for shelf in shelves.values() for item in shelf}
    goes_with = {shelf.code: shelf.goes_with for shelf in SHELVES}
    return Catalogue(
        items,
        shelves,
        {item.item_id: _nearest(item, shelves[item.shelf], _SIMILAR) for item in items.values()},
        {
            item.item_id: _nearest(
                item, [other for code in goes_with[item.shelf] for other in shelves[code]], _COMPANIONS
            )
            for item in items.values()
        },
    )


def _stock_shelf(shelf: Shelf, count: int, rng: random.Random) -> list[ShopItem]:
    titles = list(_titles(shelf))
    chosen = rng.sample(titles, count)
    items = []
    for number, (brand, style, word, noun, colour) in enumerate(chosen, start=1):
        level = rng.betavariate(1.5, 2.5)
        span = math.log(shelf.dearest_cents / shelf.cheapest_cents)
        price_cents = round(shelf.cheapest_cents * math.exp(level * span) / 100) * 100 - 1
        items.append(
            ShopItem(
                f"{shelf.code}-{number:03d}",
                f"{brand} {word} {noun} {colour}",
                shelf.path,
                brand,
                price_cents,
                style,
                colour,
                level,
                rng.gauss(0.0, 0.8),
            )
        )
    return items


def _titles(shelf: Shelf) -> Iterator[tuple[str, str, str, str, str]]:
    for brand in shelf.brands:
        for style, words in STYLES.items():
            for word in words:
                for noun in shelf.nouns:
                    for colour in COLOURS:
                        yield brand, style, word, noun, colour


def _nearest(item: ShopItem, others: list[ShopItem], count: int) -> list[ShopItem]:
    def distance(other: ShopItem) -> float:
        unlike = (other.style != item.style) + 0.5 * (other.brand != item.brand)
        return unlike + abs(other.price_level - item.price_level)

    return sorted((other for other in others if other is not item), key=distance)[:count]


def upsert_event(item: ShopItem) -> dict[str, Any]:
    """Return the catalogue event that describes an item, without id and time."""
    return {
        "kind": "item_upsert",
        "item_id": item.item_id,
        "title": item.title,
        "category": list(item.category),
        "brand": item.brand,
        "price_cents": item.price_cents,
        "currency": CURRENCY,
        "attributes": {"colour": item.colour},
        "image_url": f"https://shop.example/images/{item.item_id}.jpg",
        "page_url": f"https://shop.example/items/{item.item_id}",
        "tags": [item.style, item.colour.lower()],
    }

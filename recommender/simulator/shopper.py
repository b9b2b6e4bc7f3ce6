"""Shoppers of the simulated shop, and what they like."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from recommender.simulator.catalogue import ShopItem
from recommender.simulator.range import SHELVES, STYLES

_COUNTRIES = ("DE", "FR", "NL", "GB", "AT", "ES")
_COUNTRY_WEIGHTS = (40, 15, 12, 15, 10, 8)
_DEVICES = ("mobile", "desktop", "tablet")
_DEVICE_WEIGHTS = (60, 32, 8)
_BRANDS = sorted({brand for shelf in SHELVES for brand in shelf.brands})


@dataclass(frozen=True)
class Shopper:
    """Someone with a taste."""

    user_id: str | None
    """None for an anonymous shopper."""
    shelves: dict[str, float]
    """Shelf code to how often it is what they come for; sums to 1."""
    style: str
    brands: frozenset[str]
    price_level: float
    patience: float
    """How many items they look at in a visit, on average."""
    country: str
    device: str

    def liking(self, item: ShopItem) -> float:
        """Return how much an item is liked: the logarithm of a weight, about -3 to 4."""
        return (
            item.appeal
            + 1.6 * (item.style == self.style)
            + 1.2 * (item.brand in self.brands)
            - 3.0 * abs(item.price_level - self.price_level)
        )

    def choose(self, items: Sequence[ShopItem], rng: random.Random) -> ShopItem:
        """Choose one of some items, the better liked the likelier."""
        return rng.choices(items, [math.exp(self.liking(item)) for item in items])[0]

    def choose_shelf(self, rng: random.Random) -> str:
        """Choose what to come for."""
        return rng.choices(list(self.shelves), list(self.shelves.values()))[0]


def make_shopper(user_id: str | None, rng: random.Random) -> Shopper:
    """Make a shopper with two to four favourite shelves, one style and a few brands."""
    fame = [1.0 / (place + 2) for place in range(len(SHELVES))]
    favourites: dict[str, float] = {}
    for weight in (1.0, 0.6, 0.35, 0.2)[: rng.randint(2, 4)]:
        favourites.setdefault(rng.choices(SHELVES, fame)[0].code, weight)
    for shelf in SHELVES:
        favourites.setdefault(shelf.code, 0.01)
    total = sum(favourites.values())
    return Shopper(
        user_id,
        {code: weight / total for code, weight in favourites.items()},
        rng.choice(list(STYLES)),
        frozenset(rng.sample(_BRANDS, 3)),
        rng.betavariate(1.5, 2.5),
        rng.uniform(3.0, 8.0),
        rng.choices(_COUNTRIES, _COUNTRY_WEIGHTS)[0],
        rng.choices(_DEVICES, _DEVICE_WEIGHTS)[0],
    )

"""A shop that grows from no known shopper to many, gets new items, and whose shoppers' tastes drift."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import NamedTuple

from recommender.events import AnyCatalogueEvent, ItemUpsert, utc_from_us
from recommender.features.interaction import Interaction

START_US = 1_767_225_600_000_000
"""2026-01-01."""
_CATEGORIES, _BRANDS = 25, 40
_STEPS = 5
_VISIT_US = 9_000_000
_STEP_US = 20_000_000
_RETURNS = 0.35
"""Share of visits by shoppers who have been there before."""
_FOLLOWS = 0.6
"""Share of steps that go to the item behind the one before."""
_CHANGE_EVERY = 2_000
"""Visits after which items are replaced and fashions change."""
_REPLACED = 0.02
_NAMES = ("plain", "light", "warm", "round", "tall", "small", "soft", "bright", "quiet", "swift")

Event = Interaction | AnyCatalogueEvent


class _Item(NamedTuple):
    item_id: str
    category: int
    brand: int


class GrowingShop:
    """Events of a shop, which follow from the seed alone.

    Args:
        seed: another one makes another shop.
        items: at the beginning [count].
        opening_visits: of shoppers nobody knows, before it grows [count].
    """

    def __init__(self, seed: int, items: int = 2_000, opening_visits: int = 6_000) -> None:
        self._at_first = items, opening_visits
        self._random = random.Random(seed)  # noqa: S311
        self._us = START_US
        self._events = 0
        self._items = 0
        self._shelves: list[list[_Item]] = [[] for _ in range(_CATEGORIES)]
        """Of each category the items in the order in which shoppers go from one to the next."""
        self._fashion = [1.0] * _CATEGORIES
        self.users = 0
        """Known shoppers until now [count]."""
        self._tastes: list[tuple[int, ...]] = []

    def opening(self) -> list[Event]:
        """Return the catalogue, and visits of shoppers nobody knows: what the first model is trained on."""
        found: list[Event] = [self._new_item(number % _CATEGORIES) for number in range(self._at_first[0])]
        for visit in range(self._at_first[1]):
            found += self._visit("", f"o{visit}", self._taste())
        return found

    def growth(self, users: int) -> Iterator[Event]:
        """Yield events until so many shoppers are known."""
        visits = 0
        while self.users < users:
            visits += 1
            if visits % _CHANGE_EVERY == 0:
                yield from self._change()
            if self._tastes and self._random.random() < _RETURNS:
                shopper = int(len(self._tastes) * self._random.random() ** 0.5)  # rather those of late
            else:
                shopper = self.users
                self.users += 1
                self._tastes.append(self._taste())
            yield from self._visit(f"user{shopper}", f"v{visits}", self._tastes[shopper])

    def _taste(self) -> tuple[int, ...]:
        return tuple(self._random.choices(range(_CATEGORIES), self._fashion, k=2))

    def _visit(self, user_id: str, session_id: str, taste: tuple[int, ...]) -> Iterator[Interaction]:
        draw = self._random
        shelf = self._shelves[draw.choice(taste)]
        place = int(len(shelf) * draw.random() ** 2)
        self._us += _VISIT_US
        for step in range(draw.randrange(2, 2 * _STEPS - 1)):
            item = shelf[place]
            self._events += 1
            yield Interaction(
                event_id=f"e{self._events}",
                kind="add_to_cart" if draw.random() < 0.1 else "view",
                time_us=self._us + step * _STEP_US,
                session_id=session_id,
                user_id=user_id,
                item_id=item.item_id,
            )
            if draw.random() < _FOLLOWS:
                place = (place + 1) % len(shelf)
            else:
                shelf = self._shelves[draw.choice(taste)]
                place = int(len(shelf) * draw.random() ** 2)

    def _change(self) -> Iterator[Event]:
        """Take some items off their shelves for new ones, put others elsewhere, and let a few categories be wanted."""
        draw = self._random
        for category, shelf in enumerate(self._shelves):
            for _ in range(max(1, int(len(shelf) * _REPLACED))):
                shelf.pop(draw.randrange(len(shelf)))
                yield self._new_item(category)
                shelf.insert(draw.randrange(len(shelf)), shelf.pop())
                one, other = draw.randrange(len(shelf)), draw.randrange(len(shelf))
                shelf[one], shelf[other] = shelf[other], shelf[one]
        self._fashion = [weight * 0.7 + 0.3 * draw.expovariate(1.0) for weight in self._fashion]

    def _new_item(self, category: int) -> ItemUpsert:
        draw = self._random
        self._items += 1
        item = _Item(f"item{self._items}", category, draw.randrange(_BRANDS))
        self._shelves[category].append(item)
        return ItemUpsert(
            event_id=f"u{self._items}",
            event_time=utc_from_us(self._us),
            item_id=item.item_id,
            title=f"{draw.choice(_NAMES)} {draw.choice(_NAMES)} thing {category}",
            category=("All", f"Category {category}"),
            brand=f"Brand {item.brand}",
        )

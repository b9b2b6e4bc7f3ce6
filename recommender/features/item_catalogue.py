"""Catalogue features: what an item is, what it costs and whether it can be bought now."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec

from recommender.events import AnyCatalogueEvent, ItemDelete, ItemUpsert, StockChange, category_key
from recommender.features.clock import EntityClock
from recommender.features.interaction import Interaction
from recommender.features.row import FeatureRow, TimeUs

UNKNOWN = -1


class ItemCatalogue(FeatureRow):
    """One item of the catalogue, as its latest events say."""

    view: ClassVar[str] = "item_catalogue"
    entity: ClassVar[str] = "item_id"
    ttl: ClassVar[timedelta] = timedelta(0)

    item_id: str
    feature_time_us: TimeUs
    available: Annotated[bool, msgspec.Meta(description="not deleted, and not known to be out of stock")]
    stock: Annotated[int, msgspec.Meta(ge=-1, description="units in stock [count]; -1 when unknown")]
    price_cents: Annotated[int, msgspec.Meta(ge=-1, description="unit price [cents]; -1 when unknown")]
    currency: Annotated[str, msgspec.Meta(description="ISO 4217; empty when unknown")]
    title: Annotated[str, msgspec.Meta(description="empty when unknown")]
    category: Annotated[str, msgspec.Meta(description='path from the root, "Shoes > Running"; empty when unknown')]
    brand: Annotated[str, msgspec.Meta(description="empty when unknown")]
    tags: Annotated[list[str], msgspec.Meta(description="the shop's own marks")]
    image_url: Annotated[str, msgspec.Meta(description="empty when unknown")]
    page_url: Annotated[str, msgspec.Meta(description="empty when unknown")]
    listed_at_ms: Annotated[
        int, msgspec.Meta(ge=0, description="event time of its first item_upsert [ms since 1970 UTC]; 0 when unknown")
    ]


class CatalogueState(msgspec.Struct, array_like=True, gc=False):
    """What is known of an item. Description, deletion and stock each follow the event with the latest time."""

    clock: EntityClock = msgspec.field(default_factory=EntityClock)
    described_us: int = 0
    """Time of the latest upsert or deletion; 0 while the item is known from shopper events alone."""
    learned: tuple[tuple[int, str], tuple[int, str], tuple[int, int, str]] = ((0, ""), (0, ""), (0, UNKNOWN, ""))
    """Category, brand and price from shopper events, each with the time of its event [us]."""
    deleted: bool = False
    stocked_us: int = 0
    stock: int = UNKNOWN
    price_cents: int = UNKNOWN
    currency: str = ""
    title: str = ""
    category: str = ""
    brand: str = ""
    tags: list[str] = []
    image_url: str = ""
    page_url: str = ""
    listed_us: int = 0
    """Time of the earliest upsert; 0 while there is none."""


def fold(state: CatalogueState, event: AnyCatalogueEvent) -> bool:
    """Take a catalogue event into the state; return False if later ones have overtaken it and it changes nothing."""
    time_us = event.time_us
    state.clock.see(time_us)
    if isinstance(event, StockChange):
        if time_us < state.stocked_us:
            return False
        state.stocked_us, state.stock = time_us, event.stock
        return True
    is_first = isinstance(event, ItemUpsert) and not 0 < state.listed_us <= time_us
    if is_first:
        state.listed_us = time_us
    if time_us < state.described_us:
        return is_first
    state.described_us = time_us
    state.deleted = isinstance(event, ItemDelete)
    if isinstance(event, ItemUpsert):
        state.price_cents = UNKNOWN if event.price_cents is None else event.price_cents
        state.currency = event.currency or ""
        state.title = event.title
        state.category = category_key(event.category)
        state.brand = event.brand or ""
        state.tags = list(event.tags)
        state.image_url = event.image_url or ""
        state.page_url = event.page_url or ""
    return True


def learn(state: CatalogueState, event: Interaction) -> bool:
    """Learn category, brand and price, of which an event tells some; return False once the catalogue tells them.

    A shop that sends no catalogue, or sends it late, still has categories. Each of the three is that of the latest
    event which has one, of several at one instant the largest, so the order of arrival does not matter. For the same
    reason the clock moves on with every event that tells one, though it be known: which of two shoppers' events comes
    first, and so is the one that changes something, is chance.
    """
    if state.described_us or event.kind == "refund":
        return False
    state.clock.see(event.time_us)
    time_us, learned = event.time_us, state.learned
    news = (
        max(learned[0], (time_us, event.category)) if event.category else learned[0],
        max(learned[1], (time_us, event.brand)) if event.brand else learned[1],
        max(learned[2], (time_us, event.price_cents, event.currency)) if event.price_cents != UNKNOWN else learned[2],
    )
    if news != learned:
        state.learned = news
        state.category, state.brand = news[0][1], news[1][1]
        _, state.price_cents, state.currency = news[2]
    return True


def row(item_id: str, state: CatalogueState) -> ItemCatalogue:
    """Return the item's row as of its clock."""
    return ItemCatalogue(
        item_id,
        state.clock.feature_time_us,
        not state.deleted and state.stock != 0,
        state.stock,
        state.price_cents,
        state.currency,
        state.title,
        state.category,
        state.brand,
        state.tags,
        state.image_url,
        state.page_url,
        state.listed_us // 1000,
    )

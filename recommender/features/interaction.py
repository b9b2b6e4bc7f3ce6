"""What a shopper event says to the feature folds: one flat, compact form for all kinds."""

from __future__ import annotations

from typing import Any

import msgspec
import xxhash

from recommender.events import (
    FUTURE_LIMIT,
    MICROSECOND,
    AnyCatalogueEvent,
    AnyShopperEvent,
    CatalogueEvent,
    category_key,
    decode_event,
    refuse_future,
    utc_from_us,
)
from recommender.events.fast import read_quickly
from recommender.events.fields import IMPLICIT_SESSION_PREFIX
from recommender.features.pairs import Pair

_FUTURE_LIMIT_US = FUTURE_LIMIT // MICROSECOND
_ITEM_KINDS = frozenset(
    {"view", "click", "add_to_cart", "remove_from_cart", "add_to_wishlist", "remove_from_wishlist", "purchase"}
)


class Interaction(msgspec.Struct, gc=False):
    """A shopper event, flat. Unknown texts are empty, an unknown price is -1."""

    event_id: str
    kind: str
    time_us: int
    session_id: str
    user_id: str = ""
    item_id: str = ""
    category: str = ""
    brand: str = ""
    price_cents: int = -1
    currency: str = ""
    quantity: int = 1
    order_id: str = ""
    query: str = ""
    device: str = ""
    country: str = ""
    ingested_us: int = 0
    payload: bytes = b""
    late: bool = False
    number: int = 0
    """Place among the entries of its partition of the event log."""
    pairs: list[Pair] = []
    """What it makes with events before it, until these are on their way to their items."""

    @property
    def digest(self) -> int:
        """63 bits of the event id's hash: how a retry is recognised."""
        return digest(self.event_id)


def digest(text: str) -> int:
    """Return 63 bits of the XXH3 hash of a text; two texts share one by chance once in 10^18 pairs."""
    return xxhash.xxh3_64_intdigest(text.encode()) >> 1


def implicit_session(user_id: str) -> str:
    """Return the session id of a known shopper's events that carry none of their own."""
    return IMPLICIT_SESSION_PREFIX + user_id


def read_interaction(payload: bytes, ingested_us: int, number: int = 0) -> Interaction | AnyCatalogueEvent:
    """Read one event as the event log holds it; a shopper event comes flat.

    Raises:
        InvalidEvent: the payload is no event, or one from the future as of ``ingested_us``.
    """
    quick = read_quickly(payload)
    if quick is not None and quick[1] <= ingested_us + _FUTURE_LIMIT_US:
        return _flat(quick[0], quick[1], payload, ingested_us, number)
    event = decode_event(payload)
    if event.time_us > ingested_us + _FUTURE_LIMIT_US:
        refuse_future(event, utc_from_us(ingested_us))
    if isinstance(event, CatalogueEvent):
        return event
    return _flat(event, event.time_us, payload, ingested_us, number)


def interaction(event: AnyShopperEvent, *, payload: bytes = b"", ingested_us: int = 0, number: int = 0) -> Interaction:
    """Flatten a shopper event."""
    return _flat(event, event.time_us, payload, ingested_us, number)


def _flat(event: Any, time_us: int, payload: bytes, ingested_us: int, number: int) -> Interaction:
    """Flatten a shopper event, be it the model or the struct made from it."""
    kind: str = event.kind
    user_id = event.user_id or ""
    session_id = event.session_id or IMPLICIT_SESSION_PREFIX + user_id
    context = event.context
    device = country = item_id = category = brand = currency = order_id = query = ""
    price_cents, quantity = -1, 1
    if context is not None:
        device, country = context.device or "", context.country or ""
    if kind in _ITEM_KINDS:
        item_id = event.item_id
        path = event.category
        category = category_key(path) if path else ""
        brand = event.brand or ""
        if event.price_cents is not None:
            price_cents, currency = event.price_cents, event.currency
        if kind == "purchase":
            quantity, order_id = event.quantity, event.order_id
    elif kind == "search":
        query = event.query
    elif kind == "exposure":
        quantity = len(event.item_ids)
    elif kind == "survey_answer":
        item_id = event.item_id or ""
    elif kind == "refund":
        item_id, order_id, quantity = event.item_id or "", event.order_id, event.quantity
        if event.price_cents is not None:
            price_cents, currency = event.price_cents, event.currency or ""
    return Interaction(
        event.event_id,
        kind,
        time_us,
        session_id,
        user_id,
        item_id,
        category,
        brand,
        price_cents,
        currency,
        quantity,
        order_id,
        query,
        device,
        country,
        ingested_us,
        payload,
        False,
        number,
    )

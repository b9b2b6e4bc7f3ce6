"""What a shopper event says to the feature folds: one flat, compact form for all kinds."""

from __future__ import annotations

import hashlib

import msgspec

from recommender.events import (
    AnyShopperEvent,
    Exposure,
    ItemEvent,
    Purchase,
    Refund,
    Search,
    SurveyAnswer,
    category_key,
)
from recommender.events.fields import IMPLICIT_SESSION_PREFIX


class Interaction(msgspec.Struct):
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

    @property
    def digest(self) -> int:
        """64 bits of the event id's BLAKE2 hash: how a retry is recognised."""
        return digest(self.event_id)


def digest(text: str) -> int:
    """Return 63 bits of the BLAKE2 hash of a text; two texts share one by chance once in 10^18 pairs."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def implicit_session(user_id: str) -> str:
    """Return the session id of a known shopper's events that carry none of their own."""
    return IMPLICIT_SESSION_PREFIX + user_id


def interaction(event: AnyShopperEvent, *, payload: bytes = b"", ingested_us: int = 0, number: int = 0) -> Interaction:
    """Flatten a shopper event."""
    user_id = event.user_id or ""
    flat = Interaction(
        event.event_id,
        event.kind,
        event.time_us,
        event.session_id or implicit_session(user_id),
        user_id,
        payload=payload,
        ingested_us=ingested_us,
        number=number,
    )
    if event.context is not None:
        flat.device = event.context.device or ""
        flat.country = event.context.country or ""
    if isinstance(event, ItemEvent):
        flat.item_id = event.item_id
        flat.category = category_key(event.category)
        flat.brand = event.brand or ""
        _set_price(flat, event.price_cents, event.currency)
        if isinstance(event, Purchase):
            flat.quantity = event.quantity
            flat.order_id = event.order_id
    elif isinstance(event, Search):
        flat.query = event.query
    elif isinstance(event, Refund):
        flat.item_id = event.item_id or ""
        flat.order_id = event.order_id
        flat.quantity = event.quantity
        _set_price(flat, event.price_cents, event.currency)
    elif isinstance(event, SurveyAnswer):
        flat.item_id = event.item_id or ""
    elif isinstance(event, Exposure):
        flat.quantity = len(event.item_ids)
    return flat


def _set_price(flat: Interaction, price_cents: int | None, currency: str | None) -> None:
    if price_cents is not None:
        flat.price_cents = price_cents
        flat.currency = currency or ""

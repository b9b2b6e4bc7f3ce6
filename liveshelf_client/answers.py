"""The API's answers. What a later version adds is passed over."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec


class _ItemInfo(msgspec.Struct, frozen=True, kw_only=True):
    item_id: str
    title: str | None = None
    category: str | None = None
    brand: str | None = None
    price_cents: int | None = None
    currency: str | None = None
    image_url: str | None = None
    page_url: str | None = None


class SlateItem(_ItemInfo, frozen=True, kw_only=True):
    """One item of a slate; what the catalogue does not know is None."""

    position: int
    """0-based."""
    score: float
    """Comparable within this slate only."""
    source: str
    explanation: dict[str, Any] | None = None
    """With ``explain``: why the item is where it is."""


class Slate(msgspec.Struct, frozen=True, kw_only=True):
    """Available items, each once, the best first."""

    slate_id: str
    surface: str
    items: list[SlateItem]
    answered_by: Literal["live", "cached", "stale", "popular"]
    """``stale`` and ``popular`` stand in for a slate that could not be made."""
    took_ms: float
    model_version: str | None = None
    feature_time: datetime | None = None
    fallback: str | None = None
    """Why the slate is less personal than it could be."""
    left_out_item_ids: list[str] = []
    """After ``rank``: those of the given items that are not among ``items``."""

    @property
    def item_ids(self) -> list[str]:
        """The ids of the items, the best first."""
        return [item.item_id for item in self.items]


class Item(_ItemInfo, frozen=True, kw_only=True):
    """What is known of one item."""

    available: bool
    stock: int | None = None
    tags: list[str] = []
    also_viewed: list[str] = []
    also_bought: list[str] = []
    feature_time: datetime | None = None


class EventResult(msgspec.Struct, frozen=True):
    """What became of one event."""

    status: Literal["accepted", "rejected"]
    event_id: str | None = None
    error: str | None = None


class EventResults(msgspec.Struct, frozen=True):
    """What became of the events of one request."""

    results: list[EventResult] = []


class _ErrorBody(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class ErrorAnswer(msgspec.Struct, frozen=True):
    """What an answer other than 2xx says."""

    error: _ErrorBody = _ErrorBody()

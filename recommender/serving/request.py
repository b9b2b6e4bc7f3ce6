"""What is asked of serving, and what it answers."""

from __future__ import annotations

from enum import Enum

import msgspec


class Surface(Enum):
    """Where in the shop a slate is shown."""

    HOME = "home"
    SIMILAR = "similar"
    TRENDING = "trending"
    CART = "cart"
    CATEGORY = "category"
    SEARCH = "search"


class Fallback(Enum):
    """Why a slate is less personal than it could be."""

    STORE_UNAVAILABLE = "store_unavailable"
    """The shopper's features could not be read."""
    UNKNOWN_SHOPPER = "unknown_shopper"
    """Nothing is known of the shopper; items in demand are shown."""
    NO_MODEL = "no_model"
    """No model has been trained; neighbours and items in demand are shown."""


class SlateRequest(msgspec.Struct, frozen=True):
    """Who asks, for which place, and what else the shop knows at this moment."""

    surface: Surface = Surface.HOME
    n: int = 20
    user_id: str | None = None
    session_id: str | None = None
    item_id: str | None = None
    category: str | None = None
    query: str = ""
    device: str = ""
    country: str = ""
    exclude: frozenset[str] = frozenset()


class SlateItem(msgspec.Struct, frozen=True):
    """An item in its place."""

    row: int
    score: float
    source: str


class Slate(msgspec.Struct, frozen=True):
    """Available items, each once, the best first."""

    items: list[SlateItem]
    model_version: str | None
    fallback: Fallback | None


class UnknownItem(LookupError):
    """The item table does not have the item."""


class UnknownCategory(LookupError):
    """No item was ever in the category."""

"""What is asked of serving, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import msgspec

SOURCES = frozenset(
    {
        "also_bought",
        "also_viewed",
        "bought",
        "category",
        "followers",
        "histories",
        "history_followers",
        "linear",
        "linear_recent",
        "model",
        "new",
        "popular",
        "recent",
        "search",
        "trending",
        "visits",
    }
)
"""Where candidates come from."""


class Surface(Enum):
    """The kinds of places in the shop where a slate is shown; a shop's own surfaces are each of one kind."""

    HOME = "home"
    SIMILAR = "similar"
    BOUGHT_TOGETHER = "bought_together"
    TRENDING = "trending"
    CART = "cart"
    CATEGORY = "category"
    SEARCH = "search"
    RECENTLY_VIEWED = "recently_viewed"
    RANK = "rank"


class Fallback(Enum):
    """Why a slate is less personal than it could be."""

    STORE_UNAVAILABLE = "store_unavailable"
    """The shopper's features could not be read."""
    DEADLINE = "deadline"
    """There was no time left to make the slate."""
    UNKNOWN_SHOPPER = "unknown_shopper"
    """Nothing is known of the shopper; items in demand are shown."""
    NO_MODEL = "no_model"
    """No model has been trained; neighbours and items in demand are shown."""


class SlateRequest(msgspec.Struct, frozen=True, gc=False):
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
    filter: str = ""
    """Only such items, in the filter language."""
    age: int | None = None
    """Of the shopper [years]."""
    items: tuple[str, ...] = ()
    """What is to be put in order, on surface rank."""


class SlateItem(msgspec.Struct, frozen=True):
    """An item in its place."""

    row: int
    score: float
    source: str


class SourceScore(msgspec.Struct, frozen=True):
    """What one source says of an item."""

    source: str
    score: float
    """On the source's own scale."""
    share: float
    """Of the highest score that the source gave."""
    rank: int
    """0 for the highest."""
    points: float | None
    """What it adds to the item's score; null where a learned ranker decides."""


class Explanation(msgspec.Struct, frozen=True):
    """Why an item is where it is."""

    ranker: str
    """learned, weights, demand, pin or given."""
    sources: list[SourceScore]
    base: float | None
    """What the parts are added to: the log odds of the average candidate; null where no learned ranker decides."""
    parts: Mapping[str, float]
    """What each feature adds to the log odds of the learned ranker; those that add most."""
    others: float | None
    """What all other features add; the logistic of base, parts and others is the score before boosts."""
    features: Mapping[str, float]
    """The values that the ranker saw; unknown ones are left out."""
    rules: list[str]
    """What the shop's rules did to the item."""


class Slate(msgspec.Struct, frozen=True):
    """Available items, each once, the best first."""

    items: list[SlateItem]
    model_version: str | None
    fallback: Fallback | None
    explanations: list[Explanation | None] | None = None
    """One for each item, if they were asked for; null beyond the first hundred."""
    left_out: Mapping[str, int] | None = None
    """Rule to the number of candidates that it left out, if explanations were asked for."""
    barred: frozenset[int] = frozenset()
    """Rows that are not shown to this shopper, whatever else is."""


class UnknownItem(LookupError):
    """The item table does not have the item."""


class UnknownCategory(LookupError):
    """No item was ever in the category."""

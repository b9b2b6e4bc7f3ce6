"""The shapes of the answers, as the API's description shows them.

Answers are written straight to bytes; tests hold them to these shapes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import ErrorBody
from recommender.serving.request import Fallback, Surface


class Answer(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="forbid")


class EventResult(Answer):
    """What became of one event."""

    index: int = Field(description="0-based place in the request")
    event_id: str | None = Field(description="null where none could be read")
    status: Literal["accepted", "rejected"]
    error: str | None = Field(default=None, description="where: rule; got value; for a rejected one only")


class EventsAnswer(Answer):
    """What became of the events. Accepted ones are in the event log."""

    accepted: int
    rejected: int
    results: list[EventResult]


class NoneAccepted(EventsAnswer):
    """All events were rejected."""

    error: ErrorBody


class ItemInfo(Answer):
    """What the catalogue says of an item; what is unknown is left out."""

    item_id: str
    title: str | None = None
    category: str | None = Field(default=None, examples=["Shoes > Running"])
    brand: str | None = None
    price_cents: int | None = None
    currency: str | None = None
    image_url: str | None = None
    page_url: str | None = None


class SlateEntry(ItemInfo):
    """One item of a slate."""

    position: int = Field(description="0-based")
    score: float = Field(description="higher is better; comparable within this slate only")
    source: str = Field(description="the candidate source that gave most of the score")


class SlateAnswer(Answer):
    """A slate: available items, each once, the best first."""

    slate_id: str
    surface: Surface
    items: list[SlateEntry]
    model_version: str | None = Field(description="null without a model")
    feature_time: datetime | None = Field(description="latest of the shopper's feature rows; null without any")
    fallback: Fallback | None = Field(description="why the slate is less personal than it could be")
    took_ms: float


class ItemAnswer(ItemInfo):
    """What is known of one item."""

    available: bool
    stock: int | None = Field(default=None, description="units [count]")
    tags: list[str] = []
    also_viewed: list[str] = Field(description="items viewed in the same sessions, the closest first")
    also_bought: list[str] = Field(description="items bought in the same sessions, the closest first")
    feature_time: datetime | None = Field(description="of the catalogue row; null for an item only seen in events")


class Alive(Answer):
    """The process answers."""

    status: Literal["alive"]


class Ready(Answer):
    """All parts answer."""

    status: Literal["ready"]


class NotReady(Answer):
    """Some part does not answer."""

    status: Literal["not ready"]
    error: ErrorBody

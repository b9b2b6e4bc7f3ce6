"""The shapes of the answers, as the API's description shows them.

Answers are written straight to bytes; tests hold them to these shapes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.errors import ErrorBody
from recommender.serving.request import Fallback
from recommender.serving.surfaces import SurfacesFile

_SLATE: dict[str, Any] = {
    "slate_id": "5f0c9a7e1d2b4c6f8a9b0c1d2e3f4a5b",
    "surface": "home",
    "answered_by": "live",
    "items": [
        {
            "item_id": "i-7",
            "title": "Trail shoe",
            "category": "Shoes > Running",
            "price_cents": 8995,
            "currency": "EUR",
            "position": 0,
            "score": 0.41,
            "source": "followers",
        }
    ],
    "model_version": "20261122T020000.000000Z-1a2b3c4d",
    "feature_time": "2026-11-22T08:30:00Z",
    "fallback": None,
    "took_ms": 1.9,
}


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


class SourceScore(Answer):
    """What one source says of an item."""

    source: str
    score: float = Field(description="on the source's own scale")
    share: float = Field(description="of the highest score that the source gave")
    rank: int = Field(description="0 for the highest")
    points: float | None = Field(description="what it adds to the item's score; null where a learned ranker decides")


class ExplanationOfItem(Answer):
    """Why an item is where it is."""

    ranker: str = Field(description="learned, weights, demand, pin or given")
    sources: list[SourceScore]
    base: float | None = Field(description="log odds of the average candidate; null where no learned ranker decides")
    parts: dict[str, float] = Field(
        description="what each feature adds to the learned ranker's log odds; the twelve that add most"
    )
    others: float | None = Field(
        description="what all other features add; the logistic of base, parts and others is the score before boosts"
    )
    features: dict[str, float] = Field(description="the values that the ranker saw")
    rules: list[str] = Field(description="what the shop's rules did to the item")


class SlateEntry(ItemInfo):
    """One item of a slate."""

    position: int = Field(description="0-based")
    score: float = Field(description="higher is better; comparable within this slate only")
    source: str = Field(description="the candidate source that gave most of the score")
    explanation: ExplanationOfItem | None = Field(
        default=None, description="with explain=true; null beyond the first 100 items"
    )


class SlateAnswer(Answer):
    """A slate: available items, each once, the best first."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_SLATE]})

    slate_id: str
    surface: str
    answered_by: Literal["live", "cached", "stale", "popular"] = Field(
        description="live: made for this request; cached: what a new one would be; stale: the last one, as no new one "
        "could be made; popular: items in demand, as there was none"
    )
    items: list[SlateEntry]
    model_version: str | None = Field(description="null without a model")
    feature_time: datetime | None = Field(description="latest of the shopper's feature rows; null without any")
    fallback: Fallback | None = Field(description="why the slate is less personal than it could be")
    took_ms: float
    left_out: dict[str, int] | None = Field(
        default=None, description="with explain=true: rule to the number of candidates that it left out"
    )


class RankAnswer(SlateAnswer):
    """The caller's items, the best first."""

    left_out_item_ids: list[str] = Field(
        description="of the caller's items those that are unknown, cannot be sold now, or are left out by a rule"
    )


class SurfacesAnswer(SurfacesFile):
    """The surfaces, campaigns and age limits in service."""


class HiddenAnswer(Answer):
    """The items that a user has hidden."""

    user_id: str
    item_ids: list[str]


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
    warnings: list[str] = Field(default=[], description="what should be looked at all the same")


class NotReady(Answer):
    """Some part does not answer."""

    status: Literal["not ready"]
    error: ErrorBody


class RefusedModel(Answer):
    """A version that is current and cannot be served; the one before stays in service."""

    version: str
    reason: str = Field(description="where: rule; got value")
    at: datetime = Field(description="when that was found")


class ModelSummary(Answer):
    """A model version. What an unreadable manifest would say is null."""

    version: str
    current: bool = Field(description="whether the registry points to it")
    kind: Literal["full", "online"] | None = Field(description="trained on the history, or learned from the event log")
    created_at: str | None
    data_from: str | None
    data_to: str | None
    events: int | None = Field(description="events in the data range [count]")
    metrics: dict[str, float] | None
    size_bytes: int
    damage: str | None = Field(description="why it cannot be served; null if it can")


class ModelsAnswer(Answer):
    """All model versions, the newest first."""

    current: str | None = Field(description="the version that the registry points to")
    serving: str | None = Field(description="the version in service in this process")
    refused: RefusedModel | None
    models: list[ModelSummary]


class ModelAnswer(Answer):
    """One model version."""

    version: str
    current: bool
    size_bytes: int
    damage: str | None
    manifest: dict[str, Any] | None = Field(description="as in its manifest.json; null if it cannot be read")


class ActivationAnswer(Answer):
    """The change is made; it is in service within a second."""

    version: str = Field(description="current from now on")
    before: str | None = Field(description="current until now")
    skipped: dict[str, str] = Field(description="versions that a rollback has passed over, with the reason")

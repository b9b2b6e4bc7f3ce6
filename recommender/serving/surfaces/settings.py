"""What a shop may say of its surfaces, field by field; the JSON Schema of the file comes from here."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from recommender.events.fields import ItemId
from recommender.serving.filters import BadFilter, parse_filter
from recommender.serving.request import SOURCES, Surface

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
Weight = Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, le=1)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _checked_filter(text: str) -> str:
    try:
        if text:
            parse_filter(text)
    except BadFilter as error:
        raise ValueError(f"filter {error}") from None
    return text


class Exclusions(_Settings):
    """Items that a surface leaves out for the shopper who asks."""

    bought_days: Annotated[float, Field(ge=0, le=3_650, description="bought within so many days; 0 for none [d]")] = 0
    seen: Annotated[bool, Field(description="looked at, as far as it is remembered")] = False
    cart: Annotated[bool, Field(description="in the cart")] = False


class SurfaceSettings(_Settings):
    """One place in the shop."""

    kind: Annotated[Surface, Field(description="what is shown there, and what a request has to name")]
    ranker: Annotated[
        Literal["learned", "weights"], Field(description="the model's ranker, where it has one, or the weights alone")
    ] = "weights"
    weights: Annotated[dict[str, Weight], Field(min_length=1, description="sources, and how much each counts")]
    size: Annotated[int, Field(ge=1, le=100, description="length of a slate where a request names none [count]")] = 20
    filter: Annotated[str, Field(description="only such items, in the filter language")] = ""
    exclude: Exclusions = Exclusions()
    most_per_category: Annotated[
        Share | None, Field(description="most of a slate that one category takes while there is something else")
    ] = None
    most_per_brand: Annotated[Share | None, Field(description="the same of a brand")] = None
    new_share: Annotated[
        float, Field(ge=0, le=0.5, description="share of the places, the last ones, for new items")
    ] = 0
    fill: Annotated[bool, Field(description="whether items in demand take places that are left")] = True
    personal: Annotated[bool, Field(description="whether who asks makes a difference; false: one slate for all")] = True
    cache_seconds: Annotated[Seconds, Field(description="how long a slate may be given again; 0 for never [s]")] = 60
    stale_seconds: Annotated[
        Seconds, Field(description="how old a slate may be that is given when no new one can be made [s]")
    ] = 600

    @field_validator("weights")
    @classmethod
    def _known_sources(cls, weights: dict[str, float]) -> dict[str, float]:
        for source in weights:
            if source not in SOURCES:
                raise ValueError(f"must name sources, of {', '.join(sorted(SOURCES))}; got {source!r}")
        return weights

    _filter = field_validator("filter")(_checked_filter)


class Pin(_Settings):
    """An item at a fixed place, as long as it may be shown at all."""

    item_id: ItemId
    position: Annotated[int, Field(ge=0, le=99, description="0-based")]


class Boost(_Settings):
    """Items whose score is multiplied."""

    filter: Annotated[str, Field(min_length=1, description="which items")]
    factor: Annotated[float, Field(gt=0, le=1_000, description="above 1 to lift them, below 1 to lower them")]

    _filter = field_validator("filter")(_checked_filter)


class Campaign(_Settings):
    """Pins and boosts for a time."""

    name: Name
    surfaces: Annotated[list[Name], Field(min_length=1)]
    start: Annotated[AwareDatetime | None, Field(description="with an offset from UTC; at once if left out")] = None
    end: Annotated[AwareDatetime | None, Field(description="the first instant after it; never if left out")] = None
    pins: Annotated[list[Pin], Field(max_length=100)] = []
    boosts: Annotated[list[Boost], Field(max_length=20)] = []

    @model_validator(mode="after")
    def _in_order(self) -> Campaign:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"end must be after start; got {self.start.isoformat()} to {self.end.isoformat()}")
        if len({pin.position for pin in self.pins}) < len(self.pins):
            raise ValueError("pins must have different positions")
        return self

    def runs(self, now: datetime) -> bool:
        """Tell whether it is on at an instant."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)


class AgeLimit(_Settings):
    """Items for shoppers of a certain age; who gives none does not see them."""

    filter: Annotated[str, Field(min_length=1, description="which items")]
    years: Annotated[int, Field(ge=1, le=120)]

    _filter = field_validator("filter")(_checked_filter)


class SurfacesFile(_Settings):
    """The whole file."""

    surfaces: dict[Name, SurfaceSettings] = {}
    campaigns: Annotated[list[Campaign], Field(max_length=1_000)] = []
    age_limits: Annotated[list[AgeLimit], Field(max_length=100)] = []

    @model_validator(mode="after")
    def _named_once(self) -> SurfacesFile:
        names = [campaign.name for campaign in self.campaigns]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"campaigns: must have different names; got {name!r} twice")
        for campaign in self.campaigns:
            for surface in campaign.surfaces:
                if surface not in self.surfaces:
                    raise ValueError(f"campaigns.{campaign.name}: must name surfaces that there are; got {surface!r}")
        return self

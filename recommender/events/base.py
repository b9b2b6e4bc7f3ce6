"""What all events have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recommender.events.fields import (
    EPOCH,
    MICROSECOND,
    Country,
    EventId,
    EventTime,
    SessionId,
    ShortText,
    SlateId,
    UserId,
)


class Event(BaseModel):
    """An immutable fact about the shop. Unknown fields are refused, so that a typing error is seen at once."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    event_id: EventId
    event_time: EventTime

    @property  # a cached one would lie among the fields, and change what pydantic writes
    def time_us(self) -> int:
        """Event time as whole microseconds since 1970-01-01 UTC."""
        return (self.event_time - EPOCH) // MICROSECOND


class Context(BaseModel):
    """Where the shopper was when it happened. All of it is optional."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    device: ShortText | None = Field(default=None, description='kind of device, for example "mobile"')
    country: Country | None = None
    page: Annotated[str, Field(max_length=2_048)] | None = Field(default=None, description="page address or name")
    slate_id: SlateId | None = None
    position: Annotated[int, Field(ge=0, le=10_000)] | None = Field(
        default=None, description="0-based place of the item in the slate"
    )


class ShopperEvent(Event):
    """Something a shopper did. At least one of ``user_id`` and ``session_id`` is given."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["user_id"]}, {"required": ["session_id"]}]},
    )

    user_id: UserId | None = None
    session_id: SessionId | None = None
    context: Context | None = None

    @model_validator(mode="after")
    def _names_a_shopper(self) -> ShopperEvent:
        if self.user_id is None and self.session_id is None:
            raise ValueError("at least one of user_id and session_id is required")
        return self

    @property
    def partition_key(self) -> str:
        """The key of the event in the event log: the user, or the session of an anonymous shopper."""
        return self.user_id or self.session_id or ""

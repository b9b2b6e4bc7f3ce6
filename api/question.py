"""The body of a question for a slate."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from recommender.events.fields import Country, ItemId, SessionId, ShortText, UserId
from recommender.serving.request import Surface

N = Annotated[int, Field(ge=1, le=100, description="length of the slate [count]")]
CategoryKey = Annotated[str, Field(max_length=1_100, description='path from the root, "Shoes > Running"')]
DEFAULT_N = 20


class SlateQuestion(BaseModel):
    """Who asks, for which place in the shop, and what else is known at this moment."""

    model_config = ConfigDict(extra="forbid", strict=True)

    user_id: UserId | None = None
    session_id: SessionId | None = None
    surface: Surface = Surface.HOME
    n: N = DEFAULT_N
    item_id: ItemId | None = Field(default=None, description="what the items shall be similar to")
    category: CategoryKey | None = Field(default=None, description="limits the slate to a category")
    query: ShortText | None = Field(default=None, description="what is searched for")
    device: ShortText | None = None
    country: Country | None = None
    exclude_item_ids: Annotated[list[ItemId], Field(max_length=1_000)] = []

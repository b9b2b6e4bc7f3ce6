"""The catalogue events, one class for each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recommender.events.base import Event
from recommender.events.fields import CategoryPath, Cents, Currency, ItemId, LongText, Number, ShortText

Address = Annotated[str, Field(max_length=2_048)]


class CatalogueEvent(Event):
    """A change of the catalogue. Of two events about one item the one with the later event time counts."""

    item_id: ItemId

    @property
    def partition_key(self) -> str:
        """The key of the event in the event log: the item."""
        return self.item_id


class ItemUpsert(CatalogueEvent):
    """The whole description of an item; it replaces the one before."""

    kind: Literal["item_upsert"] = "item_upsert"
    title: Annotated[str, Field(max_length=1_024)] = ""
    category: CategoryPath = ()
    brand: ShortText | None = None
    price_cents: Cents | None = Field(default=None, description="unit price [cents]; null when unknown")
    currency: Currency | None = None
    attributes: Annotated[dict[ShortText, LongText | Number | bool], Field(max_length=100)] = {}
    image_url: Address | None = None
    page_url: Address | None = None
    tags: Annotated[tuple[ShortText, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _price_has_currency(self) -> ItemUpsert:
        if self.price_cents is not None and self.currency is None:
            raise ValueError("currency is required where price_cents is given")
        return self


class ItemDelete(CatalogueEvent):
    """The item is no longer sold."""

    kind: Literal["item_delete"] = "item_delete"


class StockChange(CatalogueEvent):
    """How many units are in stock now: an absolute level, not a difference."""

    kind: Literal["stock_change"] = "stock_change"
    stock: Annotated[int, Field(ge=0, le=10**9, description="units in stock [count]")]

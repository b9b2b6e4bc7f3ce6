"""The shopper events, one class for each kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from recommender.events.base import ShopperEvent
from recommender.events.fields import (
    CategoryPath,
    Cents,
    Currency,
    ItemId,
    LongText,
    OrderId,
    Quantity,
    ShortText,
    SlateId,
)


class ItemEvent(ShopperEvent):
    """An event about one item.

    Category, brand and price may come along, as in other e-commerce event schemas; where they are missing,
    the stream takes them from the catalogue.
    """

    item_id: ItemId
    category: CategoryPath = ()
    brand: ShortText | None = None
    price_cents: Cents | None = Field(default=None, description="unit price [cents]; null when unknown")
    currency: Currency | None = None

    @model_validator(mode="after")
    def _price_has_currency(self) -> ItemEvent:
        if self.price_cents is not None and self.currency is None:
            raise ValueError("currency is required where price_cents is given")
        return self


class View(ItemEvent):
    """The page of an item was shown."""

    kind: Literal["view"] = "view"


class Click(ItemEvent):
    """An item was chosen from a slate or a list, before its page was shown."""

    kind: Literal["click"] = "click"


class AddToCart(ItemEvent):
    """An item was put into the cart."""

    kind: Literal["add_to_cart"] = "add_to_cart"
    quantity: Quantity = 1


class RemoveFromCart(ItemEvent):
    """An item was taken out of the cart, all of its units."""

    kind: Literal["remove_from_cart"] = "remove_from_cart"
    quantity: Quantity = 1


class AddToWishlist(ItemEvent):
    """An item was put on the wish list, or marked as a favourite."""

    kind: Literal["add_to_wishlist"] = "add_to_wishlist"


class RemoveFromWishlist(ItemEvent):
    """An item was taken off the wish list."""

    kind: Literal["remove_from_wishlist"] = "remove_from_wishlist"


class Purchase(ItemEvent):
    """One line of an order: an item, its quantity and the unit price paid."""

    kind: Literal["purchase"] = "purchase"
    order_id: OrderId
    quantity: Quantity = 1


class Refund(ShopperEvent):
    """Money given back, for one item of an order or, without an item, for the whole order."""

    kind: Literal["refund"] = "refund"
    order_id: OrderId
    item_id: ItemId | None = None
    quantity: Quantity = 1
    price_cents: Cents | None = Field(default=None, description="unit price given back [cents]; null when unknown")
    currency: Currency | None = None


class Search(ShopperEvent):
    """The shopper searched for something."""

    kind: Literal["search"] = "search"
    query: ShortText
    result_count: Annotated[int, Field(ge=0, le=10**9)] | None = Field(default=None, description="items found [count]")


class BeginCheckout(ShopperEvent):
    """The shopper went to the checkout."""

    kind: Literal["begin_checkout"] = "begin_checkout"
    item_ids: Annotated[tuple[ItemId, ...], Field(max_length=200)] = ()
    value_cents: Cents | None = None
    currency: Currency | None = None


class Payment(ShopperEvent):
    """What became of the payment of an order."""

    kind: Literal["payment"] = "payment"
    order_id: OrderId
    status: Literal["authorised", "captured", "failed"]
    amount_cents: Cents | None = None
    currency: Currency | None = None


class SurveyAnswer(ShopperEvent):
    """One answer to one question of a survey."""

    kind: Literal["survey_answer"] = "survey_answer"
    survey_id: ShortText
    question_id: ShortText
    answer: LongText
    rating: Annotated[int, Field(ge=0, le=10)] | None = None
    item_id: ItemId | None = None


class Exposure(ShopperEvent):
    """A slate reached the shopper; each of its items is an impression."""

    kind: Literal["exposure"] = "exposure"
    slate_id: SlateId
    item_ids: Annotated[tuple[ItemId, ...], Field(min_length=1, max_length=200)]
    surface: ShortText | None = None

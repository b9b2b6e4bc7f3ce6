"""REES46's multi-category store, one file a month, with a header.

``event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session``
Source: https://www.kaggle.com/datasets/mkechinov/ecommerce-behavior-data-from-multi-category-store
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.loaders.rows import Format, Loaded, RawEvent
from recommender.loaders.source import SourceFile, map_records
from recommender.loaders.values import from_utc_text, minor_units, one_of

_COLUMNS = (
    "event_time",
    "event_type",
    "product_id",
    "category_id",
    "category_code",
    "brand",
    "price",
    "user_id",
    "user_session",
)
_KINDS = {
    "view": "view",
    "cart": "add_to_cart",
    "remove_from_cart": "remove_from_cart",
    "purchase": "purchase",
}
_CURRENCY = "USD"


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row."""
    for source in sources:
        yield from map_records(source, source.columns(_COLUMNS), _event)


def _event(fields: Sequence[str]) -> RawEvent:
    time, event_type, item, category_id, category_code, brand, price, user, session = fields
    event: RawEvent = {
        "kind": one_of(event_type, _KINDS, "event_type"),
        "event_time": from_utc_text(time.removesuffix(" UTC"), "event_time", "2019-10-01 00:00:00 UTC"),
        "user_id": user,
        "item_id": item,
    }
    if session:  # a few rows have none
        event["session_id"] = session
    if category_code or category_id:
        event["category"] = category_code.split(".") if category_code else [category_id]
    if brand:
        event["brand"] = brand
    if price:
        event["price_cents"] = minor_units(price, "price")
        event["currency"] = _CURRENCY
    if event_type == "purchase":
        event["order_id"] = f"{session or user}-{time.removesuffix(' UTC')}"
    return event


FORMAT = Format("rees46", ("*.csv",), read)

"""UserBehavior of Taobao: ``user,item,category,{pv,cart,fav,buy},epoch seconds``, without a header.

Source: https://tianchi.aliyun.com/dataset/649
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.loaders.rows import Format, Loaded, RawEvent
from recommender.loaders.source import SourceFile, expect_columns, map_records
from recommender.loaders.values import from_epoch, one_of

_KINDS = {"pv": "view", "cart": "add_to_cart", "fav": "add_to_wishlist", "buy": "purchase"}


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row."""
    for source in sources:
        yield from map_records(source, source.records(quoted=False), _event)


def _event(fields: Sequence[str]) -> RawEvent:
    expect_columns(fields, 5)
    user, item, category, behaviour, time = fields
    event: RawEvent = {
        "kind": one_of(behaviour, _KINDS, "behaviour"),
        "event_time": from_epoch(time, "time"),
        "user_id": user,
        "item_id": item,
        "category": [category],
    }
    if behaviour == "buy":
        event["order_id"] = f"{user}-{time}"  # the set names no orders: what a user bought in one second is one
    return event


FORMAT = Format("taobao", (), read)

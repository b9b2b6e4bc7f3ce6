"""YOOCHOOSE, the RecSys Challenge of 2015: clicks and buys of anonymous sessions.

- the original, without a header: clicks (and test) ``session,time,item,category``,
  buys ``session,time,item,price,quantity``
- the tab-separated extract of many papers, with a header: ``SessionId ItemId Time`` (epoch seconds)
Source: https://recsys.acm.org/recsys15/challenge/
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.loaders.rows import Format, Loaded, RawEvent, UnmappableRow
from recommender.loaders.source import SourceFile, map_records
from recommender.loaders.values import from_epoch, from_utc_text, whole_number

_EXTRACT = ("SessionId", "ItemId", "Time")
_CATEGORIES = {str(number) for number in range(1, 13)}
_NO_BRAND = {"0", "S"}
"""Words of the category column that tell nothing of the item: unknown, and reached by a special offer."""


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each row: a view for a click, a purchase for a buy."""
    for source in sources:
        if "\t" in source.first_line():
            yield from map_records(source, source.columns(_EXTRACT, "\t", quoted=False), _extract_event)
        else:
            yield from map_records(source, source.records(quoted=False), _original_event)


def _extract_event(fields: Sequence[str]) -> RawEvent:
    session, item, time = fields
    return {"kind": "view", "event_time": from_epoch(time, "Time"), "session_id": session, "item_id": item}


def _original_event(fields: Sequence[str]) -> RawEvent:
    if len(fields) not in (4, 5):
        raise UnmappableRow(f"row: must have 4 columns (clicks) or 5 (buys); got {len(fields)}")
    session, time, item = fields[:3]
    event: RawEvent = {
        "kind": "view" if len(fields) == 4 else "purchase",
        "event_time": from_utc_text(time.removesuffix("Z"), "time", "2014-04-07T10:51:09.277Z"),
        "session_id": session,
        "item_id": item,
    }
    if len(fields) == 4:
        category = fields[3]
        if category in _CATEGORIES:
            event["category"] = [category]
        elif category not in _NO_BRAND:
            event["brand"] = category
    else:
        quantity = whole_number(fields[4], "quantity")
        if quantity != 0:  # 0 stands for unknown
            event["quantity"] = quantity
        event["order_id"] = f"{session}-{time}"
    return event


FORMAT = Format(
    "yoochoose", ("yoochoose-clicks.dat", "yoochoose-test.dat", "yoochoose-buys.dat", "train*.tsv", "test*.tsv"), read
)

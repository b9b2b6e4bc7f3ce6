"""Retailrocket's store: what visitors did, what items were like, and the tree of categories.

- ``events.csv``: ``timestamp,visitorid,event,itemid,transactionid`` (ms)
- ``item_properties_part*.csv``: ``timestamp,itemid,property,value``; only ``categoryid`` and ``available`` are readable
- ``category_tree.csv``: ``categoryid,parentid``
A folder gives the catalogue first. One category and one availability an item, the latest of each, are kept in memory.
Source: https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.loaders.rows import (
    Format,
    Loaded,
    LoadedEvent,
    RawEvent,
    UnmappableRow,
    WrongFormat,
)
from recommender.loaders.source import SourceFile, map_records
from recommender.loaders.values import from_epoch, one_of, whole_number

_EVENTS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
_PROPERTIES = ("timestamp", "itemid", "property", "value")
_TREE = ("categoryid", "parentid")
_KINDS = {"view": "view", "addtocart": "add_to_cart", "transaction": "purchase"}
_MAX_DEPTH = 8

Latest = dict[str, tuple[int, str]]
"""Of each item, the time [ms] and the value of a property's latest row."""


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield the catalogue beside the rows, then one event for each row of the events.

    The catalogue: an item_upsert for each item with a category, a stock_change to 0 for each that is unavailable.
    """
    of_header: dict[tuple[str, ...], list[SourceFile]] = {_TREE: [], _PROPERTIES: [], _EVENTS: []}
    for source in sources:
        header = tuple(source.first_line().split(","))
        if header not in of_header:
            raise WrongFormat(
                f"{source.path}: must be events.csv, item_properties_part*.csv or category_tree.csv of Retailrocket; "
                f"got a first line {source.first_line()[:200]!r}"
            )
        of_header[header].append(source)
    if of_header[_PROPERTIES]:
        yield from _catalogue(of_header[_TREE], of_header[_PROPERTIES])
    for source in of_header[_EVENTS]:
        yield from map_records(source, source.columns(_EVENTS, quoted=False), _event)


def _event(fields: Sequence[str]) -> RawEvent:
    time, visitor, action, item, transaction = fields
    event: RawEvent = {
        "kind": one_of(action, _KINDS, "event"),
        "event_time": from_epoch(time, "timestamp", 1_000),
        "user_id": visitor,
        "item_id": item,
    }
    if action == "transaction":
        event["order_id"] = transaction
    return event


def _catalogue(trees: Sequence[SourceFile], properties: Sequence[SourceFile]) -> Iterator[Loaded]:
    parents: dict[str, str] = {}
    for tree in trees:
        parents.update((record.fields[0], record.fields[1]) for record in tree.columns(_TREE) if not record.problem)
    categories: Latest = {}
    availability: Latest = {}
    for source in properties:
        yield from _keep_latest(source, {"categoryid": categories, "available": availability})
    for item, (time_ms, category) in categories.items():
        upsert = {"kind": "item_upsert", "item_id": item, "category": _path(category, parents)}
        yield _beside(properties[0], upsert, time_ms)
    for item, (time_ms, available) in availability.items():
        if available == "0":
            yield _beside(properties[0], {"kind": "stock_change", "item_id": item, "stock": 0}, time_ms)


def _keep_latest(source: SourceFile, wanted: dict[str, Latest]) -> Iterator[Loaded]:
    for line_number, fields, problem in source.columns(_PROPERTIES):
        reason = problem
        if not reason:
            time, item, name, value = fields
            latest = wanted.get(name)
            if latest is None:
                continue
            try:
                time_ms = whole_number(time, "timestamp")
            except UnmappableRow as error:
                reason = str(error)
            else:
                if item not in latest or latest[item][0] <= time_ms:
                    latest[item] = (time_ms, value)
                continue
        yield source.bad_row(line_number, reason, ",".join(fields))


def _path(category: str, parents: dict[str, str]) -> list[str]:
    path = [category]
    while (parent := parents.get(path[0])) and len(path) < _MAX_DEPTH:
        path.insert(0, parent)
    return path


def _beside(source: SourceFile, event: RawEvent, time_ms: int) -> LoadedEvent:
    event["event_time"] = from_epoch(str(time_ms), "timestamp", 1_000)
    event["event_id"] = f"retailrocket-{source.fingerprint}-{event['kind']}-{event['item_id']}"
    return LoadedEvent(source.name, 0, event, beside=True)


FORMAT = Format("retailrocket", ("category_tree.csv", "item_properties*.csv", "events.csv"), read)

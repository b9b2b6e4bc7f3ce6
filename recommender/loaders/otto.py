"""OTTO's sessions: one JSON object a line, ``{"session", "events": [{"aid", "ts" [ms], "type"}]}``.

A row is one event of a session, so a line holds many; the line's number and the place in it make the event's id.
Source: https://github.com/otto-de/recsys-dataset
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from recommender.loaders.rows import Format, Loaded, LoadedEvent, RawEvent, UnmappableRow
from recommender.loaders.source import SourceFile
from recommender.loaders.values import from_epoch, one_of

_KINDS = {"clicks": "view", "carts": "add_to_cart", "orders": "purchase"}


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield one event for each event of each session; a line that is no session is one bad row."""
    for source in sources:
        for line_number, line in source.lines():
            try:
                session, events = _session(line)
            except UnmappableRow as error:
                yield source.bad_row(line_number, str(error), line.decode("utf-8", "backslashreplace"))
                continue
            for place, raw in enumerate(events):
                yield _loaded(source, line_number, place, session, raw)


def _session(line: bytes) -> tuple[str, list[Any]]:
    try:
        content = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise UnmappableRow(f"line: must be JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("events"), list) or "session" not in content:
        raise UnmappableRow("line: must be an object with session and events")
    return str(content["session"]), content["events"]


def _loaded(source: SourceFile, line_number: int, place: int, session: str, raw: Any) -> Loaded:
    try:
        event = _event(session, raw)
    except UnmappableRow as error:
        return source.bad_row(line_number, str(error), orjson.dumps(raw).decode())
    event["event_id"] = source.event_id(line_number, f".{place}")
    return LoadedEvent(source.name, line_number, event)


def _event(session: str, raw: Any) -> RawEvent:
    if not isinstance(raw, dict) or not {"aid", "ts", "type"} <= raw.keys():
        raise UnmappableRow("event: must be an object with aid, ts and type")
    event: RawEvent = {
        "kind": one_of(str(raw["type"]), _KINDS, "type"),
        "event_time": from_epoch(str(raw["ts"]), "ts", 1_000),
        "session_id": session,
        "item_id": str(raw["aid"]),
    }
    if raw["type"] == "orders":
        event["order_id"] = f"{session}-{raw['ts']}"  # items ordered together share their time
    return event


FORMAT = Format("otto", ("*.jsonl",), read)

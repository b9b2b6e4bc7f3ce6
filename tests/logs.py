"""Small logs of events, for tests."""

from __future__ import annotations

from typing import Any

from recommender.evaluation.log import Event
from recommender.events import ItemUpsert, utc_from_us
from recommender.features.interaction import Interaction, implicit_session

SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
START_US = 1_700_000_000 * SECOND_US


def event(shopper: str, item_id: str, at_s: float, kind: str = "view", session: str = "", **fields: Any) -> Interaction:
    """Return an event of a user (``u1``), in a session of its own if one is named, or of a session alone (``s1``)."""
    user_id = shopper if shopper.startswith("u") else ""
    session_id = session or (implicit_session(shopper) if user_id else shopper)
    time_us = START_US + round(at_s * SECOND_US)
    event_id = f"{shopper}-{session}-{item_id}-{at_s}-{kind}"
    return Interaction(event_id, kind, time_us, session_id, user_id, item_id, **fields)


def upsert(item_id: str, at_s: float) -> Event:
    """Return the description of an item."""
    moment = utc_from_us(START_US + round(at_s * SECOND_US))
    return ItemUpsert(event_id=f"upsert-{item_id}", event_time=moment, item_id=item_id, title=item_id)


def in_order(*events: Event) -> list[Event]:
    """Return events in order of time."""
    return sorted(events, key=lambda event: event.time_us)


def quiet(what: str, part: float) -> None:
    """Take note of nothing."""

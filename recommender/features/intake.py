"""Which shopper events count: not those that came before, not those that come too late.

Both are judged by session, in the order of the event log, before anything else happens to an event.
"""

from __future__ import annotations

import msgspec

from recommender.features.interaction import Interaction
from recommender.features.windows import SECOND_US

ALLOWED_LATENESS_US = 30 * 60 * SECOND_US
"""An event older than its session's latest one by more than this is late: kept in history, not in features."""
REMEMBERED_EVENTS = 1_024
"""Among how many of its session's latest events a repeated one is recognised."""


class IntakeState(msgspec.Struct, array_like=True):
    """What is remembered of a session to judge its next event."""

    latest_us: int = 0
    seen: dict[int, int] = {}


def is_repeated(state: IntakeState, event: Interaction) -> bool:
    """Tell whether this event id was among the latest of the session, and remember it."""
    key = event.digest
    if key in state.seen:
        return True
    if len(state.seen) >= REMEMBERED_EVENTS:
        del state.seen[next(iter(state.seen))]
    state.seen[key] = 1
    return False


def is_late(state: IntakeState, event: Interaction) -> bool:
    """Tell whether the event is late, and note its time."""
    state.latest_us = max(state.latest_us, event.time_us)
    return event.time_us < state.latest_us - ALLOWED_LATENESS_US

"""Which shopper events count: not those that came before, not those that come too late.

Both are judged by session, in the order of the event log, before a feature is touched.
"""

from __future__ import annotations

from recommender.features.interaction import Interaction
from recommender.features.windows import SECOND_US

ALLOWED_LATENESS_US = 30 * 60 * SECOND_US
"""An event older than its session's latest one by more than this is late: kept in history, not in features."""
REMEMBERED_EVENTS = 1_024
"""Among how many of its session's latest events a repeated one is recognised."""


def is_repeated(seen: dict[int, int], event: Interaction) -> bool:
    """Tell whether this event id is among the session's latest, and remember it."""
    key = event.digest
    if key in seen:
        return True
    if len(seen) >= REMEMBERED_EVENTS:
        del seen[next(iter(seen))]
    seen[key] = 1
    return False


def is_late(latest_us: int, event: Interaction) -> bool:
    """Tell whether the event is late in a session whose latest event time so far is ``latest_us``."""
    return event.time_us < latest_us - ALLOWED_LATENESS_US

"""Pairs of items that shoppers meet in one session: what an item's neighbours are counted from.

They are made where the order of the event log is known for sure. What is made of events in another order is the same in
the end, but only after pairs that have to be taken back.
"""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING

import msgspec

from recommender.features.windows import SECOND_US

if TYPE_CHECKING:
    from recommender.features.interaction import Interaction

TRAIL_LENGTH = 40
NEIGHBOUR_SPAN_US = 60 * 60 * SECOND_US
NEIGHBOURS_EACH_SIDE = {"view": 5, "purchase": 10}
"""How many events of the same kind before it an event is paired with."""

Step = tuple[int, str, str]
"""Event time, event id, item."""
Trail = list[Step]
"""The latest events of one kind in a session, in order."""


class Pair(msgspec.Struct, gc=False):
    """Two items met in one session; ``weight`` is -1 to take back what an event out of order has parted."""

    item_id: str
    other_id: str
    kind: str
    time_us: int
    weight: int


def meet(trail: Trail, event: Interaction) -> list[Pair]:
    """Pair the event with its neighbours in the trail, and part those it has come between.

    In a session's events of one kind, in order of (event time, event id), each is paired with the ``reach`` before
    it that are at most an hour older and about another item. An event out of order moves two others apart.
    """
    kind, reach = event.kind, NEIGHBOURS_EACH_SIDE[event.kind]
    entry = (event.time_us, event.event_id, event.item_id)
    if not trail:
        trail.append(entry)
        return []
    made: list[Pair] = []
    if entry > trail[-1]:
        for older in trail[-reach:]:
            _both_ways(made, older, entry, kind, 1)
        trail.append(entry)
    else:
        _squeeze_in(made, trail, entry, kind, reach)
    if len(trail) > TRAIL_LENGTH:
        del trail[0]
    return made


def _squeeze_in(made: list[Pair], trail: Trail, entry: Step, kind: str, reach: int) -> None:
    at = bisect(trail, entry)
    trail.insert(at, entry)
    for older in trail[max(0, at - reach) : at]:
        _both_ways(made, older, entry, kind, 1)
    for newer in trail[at + 1 : at + 1 + reach]:
        _both_ways(made, entry, newer, kind, 1)
    for distance in range(1, reach + 1):
        # Before this event came, trail[at - distance] and trail[at - distance + reach + 1] were `reach` apart.
        left, right = at - distance, at - distance + reach + 1
        if left >= 0 and at < right < len(trail):
            _both_ways(made, trail[left], trail[right], kind, -1)


def _both_ways(made: list[Pair], older: Step, newer: Step, kind: str, weight: int) -> None:
    if older[2] != newer[2] and newer[0] - older[0] <= NEIGHBOUR_SPAN_US:
        made.append(Pair(older[2], newer[2], kind, newer[0], weight))
        made.append(Pair(newer[2], older[2], kind, newer[0], weight))

"""The panes behind the window counts of a feature row, as one list of integers.

Whoever reads a row later than its feature time needs them to count again. Each integer holds one pane:
``count << 20 | age << 2 | kind``. ``age`` is how many panes of 10 s lie between the pane's begin and the row's feature
time, ``kind`` is 0 for the first kind of event that the row counts, 1 for the second, and so on. What only a longer
window still holds may stand in a pane of its width; no event stands in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec

from recommender.features.windows import PANE_US, WINDOW_5M, WINDOW_30D, Window, together

PackedPanes = Annotated[
    list[Annotated[int, msgspec.Meta(ge=0)]],
    msgspec.Meta(description="what the windows hold, by pane, packed, to count them again later"),
]

_KIND_BITS, _AGE_BITS = 2, 18
_COUNT_SHIFT = _KIND_BITS + _AGE_BITS
_KIND, _AGE = (1 << _KIND_BITS) - 1, (1 << _AGE_BITS) - 1
_HOUR = WINDOW_30D.pane_us // PANE_US


def packed_panes(now_us: int, counts: Iterable[dict[int, int]], hours: dict[int, int] | None = None) -> list[int]:
    """Pack what the windows hold as of ``now_us``, before which all of it happened.

    Args:
        now_us: the row's feature time.
        counts: for each kind in its order, the counts of the windows up to 24 hours by pane.
        hours: for the kind after those, the counts of the window of 30 days by hour (``time_us // hour``).
    """
    newest = now_us // PANE_US
    packed: list[int] = []
    kind = 0
    for panes in counts:
        if panes:
            base = newest << _KIND_BITS | kind
            few = panes if len(panes) == 1 and newest - next(iter(panes)) < WINDOW_5M.panes else together(panes, now_us)
            for pane, count in few.items():
                packed.append(count << _COUNT_SHIFT | base - (pane << _KIND_BITS))
        kind += 1
    if hours:
        first = newest // _HOUR - WINDOW_30D.panes + 1
        packed += [
            count << _COUNT_SHIFT | newest - hour * _HOUR << _KIND_BITS | kind
            for hour, count in sorted(hours.items())
            if hour >= first
        ]
    return packed


def recount(
    packed: Iterable[int], windows: Sequence[Sequence[Window]], then_us: int, now_us: int
) -> tuple[list[int], list[int]]:
    """Count the windows as of another instant.

    Args:
        packed: what ``packed_panes`` has made.
        windows: for each kind the windows to count, the shortest first.
        then_us: the feature time that ``packed`` belongs to.
        now_us: as of when to count, not before ``then_us``.

    Returns:
        What is left of the panes, packed for the feature time ``now_us``; and the counts, those of each kind in turn.
    """
    newest = then_us // PANE_US
    passed = now_us // PANE_US - newest << _KIND_BITS
    firsts = [
        [(now_us // window.pane_us - window.panes + 1) * (window.pane_us // PANE_US) for window in of_kind]
        for of_kind in windows
    ]
    counts = [[0] * len(of_kind) for of_kind in windows]
    left: list[int] = []
    for number in packed:
        kind = number & _KIND
        pane = newest - (number >> _KIND_BITS & _AGE)
        if pane < firsts[kind][-1]:
            continue
        left.append(number + passed)
        for place, first in enumerate(firsts[kind]):
            if pane >= first:
                counts[kind][place] += number >> _COUNT_SHIFT
    return left, [count for of_kind in counts for count in of_kind]

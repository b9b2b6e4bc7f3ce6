"""Counts in sliding windows over event time, exact to a pane.

A window of length L with panes of width p holds, at instant t, the events of the panes
``floor(t/p) - L/p + 1 ... floor(t/p)``: the half-open interval ``(floor(t/p)*p - L + p - 1us, t]``. It is thus
between L - p and L long. Adding is commutative, so the order of arrival does not matter.
"""

from __future__ import annotations

import msgspec

SECOND_US = 1_000_000


class Window(msgspec.Struct, frozen=True):
    """A window's length and the width of its panes [us]."""

    name: str
    length_us: int
    pane_us: int

    @property
    def panes(self) -> int:
        """Number of panes in the window."""
        return self.length_us // self.pane_us


WINDOW_5M = Window("5m", 300 * SECOND_US, 10 * SECOND_US)
WINDOW_1H = Window("1h", 3_600 * SECOND_US, 60 * SECOND_US)
WINDOW_24H = Window("24h", 86_400 * SECOND_US, 900 * SECOND_US)
WINDOW_30D = Window("30d", 30 * 86_400 * SECOND_US, 3_600 * SECOND_US)

Panes = dict[int, int]
"""Counts by pane of 10 s, each pane named by ``time_us // PANE_US``. One dict serves the three short windows."""

PANE_US = WINDOW_5M.pane_us
_MINUTE, _QUARTER = WINDOW_1H.pane_us // PANE_US, WINDOW_24H.pane_us // PANE_US
_PANES_5M, _MINUTES_1H, _QUARTERS_24H = WINDOW_5M.panes, WINDOW_1H.panes, WINDOW_24H.panes
_MOST_FINE = 64
"""Panes beyond which the old ones are put together."""
_NONE = (0, 0, 0)


def count_in(panes: Panes, time_us: int) -> None:
    """Count one event at ``time_us``."""
    pane = time_us // PANE_US
    panes[pane] = panes.get(pane, 0) + 1


def counts_at(panes: Panes, now_us: int) -> tuple[int, int, int]:
    """Return the counts of 5 minutes, 1 hour and 24 hours as of ``now_us``, which never goes back nor before an event.

    Where there are many panes, what has left the windows is forgotten and old ones are put together: there are never
    more than 64 from one call to the next, or than the three windows have.
    """
    if not panes:
        return _NONE
    if len(panes) > _MOST_FINE:
        fewer = together(panes, now_us)
        panes.clear()
        panes.update(fewer)
    now = now_us // PANE_US  # the borders inline, as this is asked for every row
    after_5m = now - _PANES_5M + 1
    if len(panes) == 1:  # most shoppers and items of a moment have but one
        ((pane, count),) = panes.items()
        if pane >= after_5m:
            return count, count, count
    after_1h = (now // _MINUTE - _MINUTES_1H + 1) * _MINUTE
    after_24h = (now // _QUARTER - _QUARTERS_24H + 1) * _QUARTER
    in_5m = in_1h = in_24h = 0
    for pane, count in panes.items():
        if pane >= after_24h:
            in_24h += count
            if pane >= after_1h:
                in_1h += count
                if pane >= after_5m:
                    in_5m += count
    return in_5m, in_1h, in_24h


def together(panes: Panes, now_us: int) -> Panes:
    """Return what the windows hold as of ``now_us`` in as few panes as give every later count, the oldest first.

    It may be ``panes`` itself.

    What is older than 5 minutes is only asked for by whole minutes, what is older than 1 hour by quarters of an hour.
    A wider pane is named by the first of 10 s in it.
    """
    now = now_us // PANE_US
    after_5m = now - _PANES_5M + 1
    if len(panes) == 1 and next(iter(panes)) >= after_5m:
        return panes
    after_1h = (now // _MINUTE - _MINUTES_1H + 1) * _MINUTE
    after_24h = (now // _QUARTER - _QUARTERS_24H + 1) * _QUARTER
    put: Panes = {}
    for pane in sorted(panes):
        if pane >= after_24h:
            width = 1 if pane >= after_5m else _MINUTE if pane >= after_1h else _QUARTER
            first = pane - pane % width
            put[first] = put.get(first, 0) + panes[pane]
    return put


class PaneCount(msgspec.Struct, array_like=True):
    """Counts of one window, by pane."""

    panes: dict[int, int] = {}

    def add(self, time_us: int, window: Window, amount: int = 1) -> None:
        """Count ``amount`` at ``time_us``."""
        pane = time_us // window.pane_us
        self.panes[pane] = self.panes.get(pane, 0) + amount

    def at(self, now_us: int, window: Window) -> int:
        """Return the count as of ``now_us``, which never goes back, and forget what has left the window."""
        if not self.panes:
            return 0
        last_outside = now_us // window.pane_us - window.panes
        for pane in [pane for pane in self.panes if pane <= last_outside]:
            del self.panes[pane]
        return sum(self.panes.values())

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

_SHORT = tuple((w.pane_us, w.panes) for w in (WINDOW_5M, WINDOW_1H, WINDOW_24H))


class PaneCount(msgspec.Struct, array_like=True):
    """Counts of one window, by pane."""

    panes: dict[int, int] = {}

    def add(self, time_us: int, window: Window, amount: int = 1) -> None:
        """Count ``amount`` at ``time_us``."""
        pane = time_us // window.pane_us
        self.panes[pane] = self.panes.get(pane, 0) + amount

    def at(self, now_us: int, window: Window) -> int:
        """Return the count as of ``now_us``, which never goes back, and forget what has left the window."""
        return _total(self.panes, now_us // window.pane_us - window.panes)


class WindowCounts(msgspec.Struct, array_like=True):
    """Counts of the last 5 minutes, 1 hour and 24 hours."""

    in_5m: dict[int, int] = {}
    in_1h: dict[int, int] = {}
    in_24h: dict[int, int] = {}

    def add(self, time_us: int) -> None:
        """Count one event at ``time_us``."""
        for panes, (width, _) in zip((self.in_5m, self.in_1h, self.in_24h), _SHORT, strict=True):
            pane = time_us // width
            panes[pane] = panes.get(pane, 0) + 1

    def at(self, now_us: int) -> tuple[int, int, int]:
        """Return the three counts as of ``now_us``, which never goes back, and forget what has left them."""
        if not self.in_24h:
            return (0, 0, 0)
        (width_5m, n_5m), (width_1h, n_1h), (width_24h, n_24h) = _SHORT
        return (
            _total(self.in_5m, now_us // width_5m - n_5m),
            _total(self.in_1h, now_us // width_1h - n_1h),
            _total(self.in_24h, now_us // width_24h - n_24h),
        )


def _total(panes: dict[int, int], last_outside: int) -> int:
    if not panes:
        return 0
    expired = [pane for pane in panes if pane <= last_outside]
    for pane in expired:
        del panes[pane]
    return sum(panes.values())

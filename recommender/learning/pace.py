"""How much of the processor learning takes, and of the shoppers."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_EVERY_S = 5.0
_LEAST_SHARE = 1 / 64


class CpuShare:
    """Tells how long to rest so that this process takes no more than its share of one processor.

    Args:
        ratio: the share.
        used: tells the processor time of this process [s].
        now: tells the time [s].
    """

    def __init__(
        self,
        ratio: float,
        used: Callable[[], float] = time.process_time,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ratio, self._used, self._now = ratio, used, now
        self._last = used(), now()

    def rest_s(self) -> float:
        """Return how long to rest, once some work has been done."""
        used, now = self._used(), self._now()
        busy, elapsed = used - self._last[0], now - self._last[1]
        rest = max(0.0, busy / self._ratio - elapsed)
        self._last = used, now + rest
        return rest


class ShopperShare:
    """Tells whose events are left out while learning is behind: those of some shoppers, and of them all.

    A shopper's state is then either whole or not kept. The share is halved every few seconds until learning catches up,
    and doubled again.

    Args:
        limit_s: how far behind is too far [s].
        now: tells the time [s].
    """

    def __init__(self, limit_s: float, now: Callable[[], float] = time.monotonic) -> None:
        self.ratio = 1.0
        """Share of the shoppers whose events are taken."""
        self._limit_s, self._now = limit_s, now
        self._looked_at = now()

    def note(self, behind_s: float) -> None:
        """Take note of how far behind learning is."""
        now = self._now()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        if behind_s > self._limit_s:
            self.ratio = max(_LEAST_SHARE, self.ratio / 2)
        elif behind_s < self._limit_s / 4:
            self.ratio = min(1.0, self.ratio * 2)

    def takes(self, shopper: int) -> bool:
        """Tell whether a shopper's events are taken."""
        return self.ratio == 1.0 or shopper % 1_024 < 1_024 * self.ratio

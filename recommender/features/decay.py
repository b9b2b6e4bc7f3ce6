"""Sums whose parts lose half their weight every half-life, kept for many keys at once.

Source: Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009. A part of
weight w at time t is stored as ``w * 2^((t - landmark) / half_life)``; the sum as of any later instant is that
number times ``2^(-(now - landmark) / half_life)``. So the order of keys does not depend on ``now``, late parts
need no special case, and nothing has to be touched as time goes by.
"""

from __future__ import annotations

import heapq

import msgspec

_RESCALE_AT = 200.0
_NOTHING = 1e-9
"""What is left of a sum whose parts were all taken back may differ from 0 by rounding."""


class DecayedSums(msgspec.Struct, array_like=True):
    """Decayed sums by key. All calls must give the same half-life."""

    landmark_us: int = 0
    sums: dict[str, float] = {}

    def add(self, key: str, time_us: int, weight: float, half_life_us: int) -> None:
        """Add ``weight`` (negative to take back) at ``time_us`` to the sum of ``key``."""
        if not self.sums:
            self.landmark_us = time_us
        exponent = (time_us - self.landmark_us) / half_life_us
        if exponent > _RESCALE_AT:
            self._rescale(time_us, half_life_us)
            exponent = 0.0
        self.sums[key] = self.sums.get(key, 0.0) + weight * 2.0 ** max(exponent, -1000.0)

    def top(self, n: int, now_us: int, half_life_us: int) -> list[tuple[str, float]]:
        """Return the ``n`` keys with the largest sums as of ``now_us``, largest first, then by key backwards."""
        if not self.sums:
            return []
        factor = self._factor(now_us, half_life_us)
        return [(key, value * factor) for value, key in self._largest(n) if value * factor > _NOTHING]

    def at(self, key: str, now_us: int, half_life_us: int) -> float:
        """Return the sum of ``key`` as of ``now_us``; 0 for an unknown key."""
        value = self.sums.get(key)
        return 0.0 if value is None else value * self._factor(now_us, half_life_us)

    def prune(self, keep: int, slack: int) -> None:
        """Once there are more than ``keep + slack`` keys, keep the ``keep`` with the largest sums."""
        if len(self.sums) > keep + slack:
            self.sums = {key: value for value, key in self._largest(keep)}

    def _largest(self, n: int) -> list[tuple[float, str]]:
        return heapq.nlargest(n, zip(self.sums.values(), self.sums, strict=True))

    def _factor(self, now_us: int, half_life_us: int) -> float:
        return 2.0 ** max(-(now_us - self.landmark_us) / half_life_us, -1000.0)

    def _rescale(self, landmark_us: int, half_life_us: int) -> None:
        factor = self._factor(landmark_us, half_life_us)
        self.sums = {key: value * factor for key, value in self.sums.items() if value * factor > 1e-60}
        self.landmark_us = landmark_us

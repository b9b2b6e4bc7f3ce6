"""Sums whose parts lose half their weight every half-life, kept for many keys at once.

Source: Cormode et al., "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE 2009. A part of
weight w at time t is stored as ``w * 2^((t - landmark) / half_life)``; the sum as of any later instant is that
number times ``2^(-(now - landmark) / half_life)``. So the order of keys does not depend on ``now``, late parts
need no special case, and nothing has to be touched as time goes by. A number that lies on a landmark like that is
called scaled.
"""

from __future__ import annotations

import heapq
import math

import msgspec

_RESCALE_AT = 200.0
NOTHING = 1e-9
"""What is left of a sum whose parts were all taken back may differ from 0 by rounding."""


class DecayedSum(msgspec.Struct, array_like=True, gc=False):
    """One decayed sum. All calls must give the same half-life."""

    landmark_us: int = 0
    scaled: float = 0.0

    def add(self, time_us: int, weight: float, half_life_us: int) -> None:
        """Add ``weight`` at ``time_us``."""
        if not self.landmark_us:
            self.landmark_us = time_us
            self.scaled = weight
            return
        exponent = (time_us - self.landmark_us) / half_life_us
        if exponent > _RESCALE_AT:
            self.scaled *= factor(self.landmark_us, time_us, half_life_us)
            self.landmark_us, exponent = time_us, 0.0
        if exponent > -1000.0:
            self.scaled += weight * 2.0**exponent

    def at(self, now_us: int, half_life_us: int) -> float:
        """Return the sum as of ``now_us``."""
        return self.scaled * factor(self.landmark_us, now_us, half_life_us)


class DecayedSums(msgspec.Struct, array_like=True, gc=False):
    """Decayed sums by key. All calls must give the same half-life."""

    landmark_us: int = 0
    sums: dict[str, float] = {}
    """Scaled."""

    def add(self, key: str, time_us: int, weight: float, half_life_us: int) -> None:
        """Add ``weight`` (negative to take back) at ``time_us`` to the sum of ``key``."""
        sums = self.sums
        if not sums:
            self.landmark_us = time_us
            sums[key] = weight
            return
        exponent = (time_us - self.landmark_us) / half_life_us
        if exponent > _RESCALE_AT:
            self._rescale(time_us, half_life_us)
            exponent = 0.0
        sums[key] = sums.get(key, 0.0) + (weight * 2.0**exponent if exponent > -1000.0 else 0.0)

    def top(self, n: int, now_us: int, half_life_us: int) -> tuple[list[str], list[float]]:
        """Return the ``n`` keys with the largest sums, largest first, then by key backwards; and the sums."""
        sums = self.sums
        if not sums:
            return [], []
        scale = factor(self.landmark_us, now_us, half_life_us)
        if len(sums) == 1:
            ((key, value),) = sums.items()
            return ([key], [value * scale]) if value * scale > NOTHING else ([], [])
        least = NOTHING / scale if scale else math.inf
        largest = sorted([(value, key) for key, value in sums.items() if value > least], reverse=True)
        del largest[n:]
        return [key for _, key in largest], [value * scale for value, _ in largest]

    def at(self, key: str, now_us: int, half_life_us: int) -> float:
        """Return the sum of ``key`` as of ``now_us``; 0 for an unknown key."""
        return self.sums.get(key, 0.0) * factor(self.landmark_us, now_us, half_life_us)

    def prune(self, keep: int, slack: int) -> None:
        """Once there are more than ``keep + slack`` keys, keep the ``keep`` with the largest sums."""
        if len(self.sums) > keep + slack:
            self.sums = {key: value for value, key in self.largest(keep)}

    def largest(self, n: int) -> list[tuple[float, str]]:
        """Return the ``n`` largest scaled sums and their keys, largest first, then by key backwards."""
        return heapq.nlargest(n, zip(self.sums.values(), self.sums, strict=True))

    def _rescale(self, landmark_us: int, half_life_us: int) -> None:
        scale = factor(self.landmark_us, landmark_us, half_life_us)
        kept = {key: value * scale for key, value in self.sums.items() if value * scale > 1e-60}
        self.sums.clear()
        self.sums.update(kept)
        self.landmark_us = landmark_us


def factor(landmark_us: int, now_us: int, half_life_us: int) -> float:
    """Return what a scaled number is to be multiplied by to give it as of ``now_us``."""
    exponent = (landmark_us - now_us) / half_life_us
    return 2.0**exponent if exponent > -1000.0 else 0.0

"""The clock of one entity: what its feature rows hold as of."""

from __future__ import annotations

import msgspec


class EntityClock(msgspec.Struct, array_like=True):
    """Runs on event time, and never shows the same instant twice."""

    latest_us: int = 0
    """Latest event time seen."""
    feature_time_us: int = 0
    """As of when the features hold: the latest event time or, where that does not move on, 1 us more per event.

    A feature store keeps of two rows with one feature time only the first, so each change needs a later one.
    """

    def see(self, time_us: int) -> None:
        """Note the time of an event that changes the features."""
        if time_us > self.latest_us or not self.feature_time_us:
            self.latest_us = time_us
        self.feature_time_us = time_us if time_us > self.feature_time_us else self.feature_time_us + 1

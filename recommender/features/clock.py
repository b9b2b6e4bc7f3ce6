"""The clock of one entity: what its feature rows hold as of."""

from __future__ import annotations

import msgspec


class EntityClock(msgspec.Struct, array_like=True):
    """Runs on event time, and never shows the same instant twice."""

    latest_us: int = 0
    """Latest event time seen."""
    shown_us: int = 0
    """Feature time of the last row."""

    def see(self, time_us: int) -> None:
        """Note the time of an event."""
        if time_us > self.latest_us or not self.latest_us:
            self.latest_us = time_us

    def feature_time_us(self) -> int:
        """Return the time of the next row: the latest event time, or 1 us after the last row if that is later.

        A feature store refuses a row that is not newer than the one it holds.
        """
        self.shown_us = max(self.latest_us, self.shown_us + 1) if self.shown_us else self.latest_us
        return self.shown_us

"""The clock of one entity: what its feature rows hold as of."""

from __future__ import annotations

import msgspec


class EntityClock(msgspec.Struct, array_like=True, gc=False):
    """Runs on event time, and moves on with every event, also with one that is older than the latest."""

    latest_us: int = 0
    """Latest event time seen."""
    events: int = 0
    """How many events have been seen [count]."""

    def see(self, time_us: int, events: int = 1) -> None:
        """Note the time of an event that changes the features, or the latest time of several."""
        if time_us > self.latest_us or not self.events:
            self.latest_us = time_us
        self.events += events

    @property
    def feature_time_us(self) -> int:
        """As of when the features hold: the latest event time, plus 1 us for each event seen.

        Of two rows with one feature time a store keeps the first, so each change needs a later time. This one depends
        on which events were seen, not on their order or on how they were batched. So a stream that repeats its last
        second after a crash writes the rows that are stored already, and the first new event makes a newer one.
        """
        return self.latest_us + self.events

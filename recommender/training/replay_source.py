"""Training from events in memory, as the stream would have folded them: for evaluation on files, and for tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from operator import attrgetter

import pyarrow as pa

from recommender.events import AnyCatalogueEvent
from recommender.features.interaction import Interaction
from recommender.features.memory import FeatureMemory, ItemRows
from recommender.features.shopper import Shopper
from recommender.history import EVENTS, SCHEMAS
from recommender.training.dataset import TARGET_WEIGHTS, Numbers, Targets, by_moment
from recommender.training.history_targets import TARGET_COLUMNS, targets_of

_FIELDS = {"event_time": "time_us"}


class ReplaySource:
    """The training set of a list of events, which are taken in order of time; they are not changed."""

    def __init__(self, events: Sequence[Interaction | AnyCatalogueEvent]) -> None:
        self._events = sorted(events, key=attrgetter("time_us"))
        self._targets = _targets(self._events)
        self._replay = _Replay(self._events)

    def targets(self) -> Targets:
        """Return the events that can be examples."""
        return self._targets

    def shoppers(self, numbers: Numbers) -> Iterator[Shopper]:
        """Yield the shopper just before each of these targets, aged to its instant; the same one for one moment.

        Args:
            numbers: of targets, ascending.
        """
        return by_moment(self._targets, numbers, self._at)

    def items(self, as_of_us: int) -> list[ItemRows]:
        """Return the latest rows of each item at or before an instant, not aged, in order of item ids.

        It takes one pass over the events as long as each instant asked for is no earlier than the one before.
        """
        if as_of_us < self._replay.until_us:
            self._replay = _Replay(self._events)
        self._replay.go_on(as_of_us)
        return sorted(self._replay.memory.items(), key=attrgetter("item_id"))

    def _at(self, numbers: Numbers) -> Iterator[Shopper]:
        targets, replay = self._targets, _Replay(self._events)
        columns = (column[numbers].tolist() for column in (targets.times_us, targets.users, targets.sessions))
        for time_us, user, session in zip(*columns, strict=True):
            replay.go_on(time_us - 1)
            user_id = targets.user_ids[user] if user >= 0 else ""
            yield replay.memory.shopper(user_id, targets.session_ids[session].as_py(), time_us)


class _Replay:
    """What is known after some of the events."""

    def __init__(self, events: Sequence[Interaction | AnyCatalogueEvent]) -> None:
        self._events = events
        self._taken = 0
        self.memory = FeatureMemory()
        self.until_us = 0

    def go_on(self, until_us: int) -> None:
        """Take what happened at or before an instant."""
        while self._taken < len(self._events) and self._events[self._taken].time_us <= until_us:
            self.memory.take(copy(self._events[self._taken]))  # which completes it
            self._taken += 1
        self.until_us = until_us


def _targets(events: Sequence[Interaction | AnyCatalogueEvent]) -> Targets:
    """Return the targets among events in order of time; the rules are those of the history."""
    wanted = [
        event
        for event in events
        if isinstance(event, Interaction) and event.kind in TARGET_WEIGHTS and event.item_id and not event.late
    ]
    columns = {
        name: pa.array([getattr(event, _FIELDS.get(name, name)) for event in wanted]).cast(
            SCHEMAS[EVENTS].field(name).type
        )
        for name in TARGET_COLUMNS
    }
    return targets_of(pa.table(columns).to_batches())

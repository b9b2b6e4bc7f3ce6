"""Events of very many shoppers, made as they are read; a position always has the same one, so a killed flow resumes.

First each shopper gets some events, one in every round, as fast as the flow takes them. Then they come at a steady
rate, from the shoppers in the same order, until the flow is ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from dataflows.log_source import Arrival
from recommender.eventlog import SHOPPER, LogEntry, Partition

BATCH = 500
_PARTITION = Partition(SHOPPER, 0)
_STRIDE, _ITEM_STRIDE = 2_654_435_761, 40_503
_SPAN_US = 2 * 3_600_000_000
"""All of the first events lie within two hours of event time, and every later one behind them."""
_CATEGORIES = 1_000


class Population(msgspec.Struct, frozen=True):
    """How many shoppers, how many events each, among how many items; and the rate that comes after."""

    users: int
    events_per_user: int = 2
    items: int = 100_000
    rate: int = 2_000

    @property
    def first_events(self) -> int:
        """Events until each shopper has had theirs."""
        return self.users * self.events_per_user


class Moments(msgspec.Struct):
    """What happened when, on the monotonic clock [s]; written down as it happens, for a flow that will be killed."""

    resumed_at: int = 0
    """Position that the flow has begun from."""
    opened: float = 0.0
    """When all state was loaded and the source was asked first."""
    steady: float = 0.0
    """When the steady rate began."""
    first_effect: float = 0.0
    rss_mb_opened: float = 0.0
    rss_mb_steady: float = 0.0
    peak_rss_mb: float = 0.0
    filling_pauses_ms: list[float] = []
    steady_pauses_ms: list[float] = []
    state_bytes: dict[str, float] = {}
    state_keys: dict[str, float] = {}


class PopulationSource(FixedPartitionedSource):
    """The events as a source of one part.

    Args:
        population: whose events.
        moments: takes the pauses: from each snapshot until the source is asked again.
        note: called with what happened: ``opened``, ``steady``, or ``epoch`` behind each snapshot.
        tell: called with the position behind each batch.
    """

    def __init__(
        self,
        population: Population,
        moments: Moments,
        note: Callable[[str], None],
        tell: Callable[[int], None],
    ) -> None:
        self._population, self._moments, self._note, self._tell = population, moments, note, tell

    def list_parts(self) -> list[str]:
        """Return the one part's name."""
        return ["population"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _PopulationPart:
        """Begin where the last committed snapshot stands."""
        return _PopulationPart(self._population, self._moments, self._note, self._tell, resume_state or 0)


class _PopulationPart(StatefulSourcePartition):
    def __init__(
        self,
        population: Population,
        moments: Moments,
        note: Callable[[str], None],
        tell: Callable[[int], None],
        position: int,
    ) -> None:
        self._population, self._moments, self._note, self._tell = population, moments, note, tell
        self._make = event_maker(population)
        self._position = moments.resumed_at = position
        self._snapshot_at = 0.0
        self._awake = datetime.now(UTC)
        self._steady_from = position

    def next_batch(self) -> list[list[Arrival]]:
        now = time.monotonic()
        moments, first = self._moments, self._population.first_events
        if not moments.opened:
            moments.opened = now
            self._note("opened")
        if self._snapshot_at:
            pauses = moments.steady_pauses_ms if moments.steady else moments.filling_pauses_ms
            pauses.append(1_000 * (now - self._snapshot_at))
            self._snapshot_at = 0.0
            self._note("epoch")
        if self._position >= first and not moments.steady:
            moments.steady, self._steady_from = now, self._position
            self._note("steady")
        count = min(BATCH, first - self._position) if self._position < first else self._due(now)
        if not count:
            self._awake = datetime.now(UTC) + timedelta(milliseconds=5)
            return []
        batch = [self._make(number) for number in range(self._position, self._position + count)]
        self._position += count
        self._tell(self._position)
        self._awake = datetime.now(UTC)
        return [batch]

    def _due(self, now: float) -> int:
        due = self._steady_from + int((now - self._moments.steady) * self._population.rate)
        return min(BATCH, max(0, due - self._position))

    def next_awake(self) -> datetime:
        return self._awake

    def snapshot(self) -> int:
        self._snapshot_at = time.monotonic()
        return self._position


def event_maker(population: Population) -> Callable[[int], Any]:
    """Return what makes the event of a position: nine in ten are views, the others put an item into the cart.

    A round visits each shopper once; items are drawn so that few of them get most events.
    """
    stride = _coprime(_STRIDE, population.users)
    began_us = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1_000_000)
    step_us = max(1, _SPAN_US // population.first_events)
    users, items = population.users, population.items

    def make(number: int) -> Arrival:
        time_us = began_us + number * step_us
        moment = datetime.fromtimestamp(time_us // 1_000_000, UTC)
        user = number % users * stride % users
        item = int(items * (number * _ITEM_STRIDE % 65_536 / 65_536) ** 3)
        kind = "add_to_cart" if number % 10 == 7 else "view"
        payload = (
            f'{{"event_id":"e{number}","event_time":"{moment:%Y-%m-%dT%H:%M:%S}.{time_us % 1_000_000:06d}Z",'
            f'"user_id":"{user}","item_id":"{item}","category":["{item % _CATEGORIES}"],"kind":"{kind}"}}'
        )
        entry = LogEntry(f"{number}-0", time_us, payload.encode())
        return Arrival(_PARTITION, entry, number)

    return make


def _coprime(stride: int, users: int) -> int:
    while math.gcd(stride, users) != 1:
        stride += 2
    return stride

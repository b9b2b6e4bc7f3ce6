"""Parting a log in time: what is known, and what is to be foreseen."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from recommender.evaluation.log import Event
from recommender.events import utc_from_us
from recommender.features.interaction import Interaction

INTEREST = frozenset({"view", "click", "add_to_cart", "purchase", "add_to_wishlist"})
"""Kinds of events that say which item a shopper wants."""

SECOND_US = 1_000_000
_UNITS_US = {"s": SECOND_US, "m": 60 * SECOND_US, "h": 3_600 * SECOND_US, "d": 86_400 * SECOND_US}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhdw])")
_UNITS_US["w"] = 7 * _UNITS_US["d"]
_STRAY_RATIO = 0.001
_ROUND_TO_US = (7 * _UNITS_US["d"], _UNITS_US["d"], _UNITS_US["h"], _UNITS_US["m"], SECOND_US)


class Split(NamedTuple):
    """A log in two."""

    train: Sequence[Event]
    test: Sequence[Event]
    cut_us: int
    """All of ``train`` is taken to be known at this time."""
    straddling: frozenset[str] = frozenset()
    """Sessions with events in both that are not asked about."""

    @property
    def overlaps(self) -> bool:
        """Whether half of the second part lies before the cut, as where each user's latest events are held out."""
        return self.test[len(self.test) // 2].time_us < self.cut_us


class NothingToTest(ValueError):
    """The log leaves nothing to train on, or nothing to test; the text says what is missing."""


def read_duration_us(text: str) -> int:
    """Return a duration such as 28d, 12h, 90m or 30s.

    Raises:
        ValueError: it is none.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match or not float(match[1]):
        raise ValueError(f"must be a duration such as 28d, 12h, 90m or 30s; got {text!r}")
    return round(float(match[1]) * _UNITS_US[match[2]])


def span_us(events: Sequence[Event]) -> tuple[int, int]:
    """Return the first and the last time of events in order of time, stray ones aside.

    Logs have rows of a wrong date. The outermost thousandths of the events are stray if they lie farther out than the
    rest is long.
    """
    times = [event.time_us for event in events if _is_interest(event)] or [event.time_us for event in events]
    rest = int(len(times) * _STRAY_RATIO)
    low, high = times[rest], times[-1 - rest]
    length = high - low
    return (
        next(time_us for time_us in times if time_us >= low - length),
        next(time_us for time_us in reversed(times) if time_us <= high + length),
    )


def last_tenth_us(events: Sequence[Event]) -> int:
    """Return a tenth of the span of the events, rounded to weeks, days, hours, minutes or seconds."""
    first, last = span_us(events)
    tenth = (last - first) / 10
    unit = next((unit for unit in _ROUND_TO_US if tenth >= unit), 1)
    return max(1, round(tenth / unit) * unit)


def before_the_end(events: Sequence[Event], holdout_us: int) -> Split:
    """Part a log at ``holdout_us`` before its end; what happened at the cut itself is to be foreseen.

    Sessions with an id that begin before the cut and go on after it are straddling.
    """
    cut_us = span_us(events)[1] - holdout_us
    place = next((place for place, event in enumerate(events) if event.time_us >= cut_us), len(events))
    before = {event.session_id for event in events[:place] if isinstance(event, Interaction)}
    after = {event.session_id for event in events[place:] if isinstance(event, Interaction) if has_session(event)}
    return _checked(Split(events[:place], events[place:], cut_us, frozenset(before & after)))


def of_two_logs(train: Sequence[Event], test: Sequence[Event]) -> Split:
    """Take two logs as they are. The cut lies after all of the first, or at the beginning of a later second one."""
    cut_us = max((event.time_us for event in train), default=0) + 1
    return _checked(Split(train, test, max(cut_us, test[0].time_us) if test else cut_us))


def latest_of_each(events: Sequence[Event], count: int) -> Split:
    """Hold out the latest ``count`` events of interest of each user with more than twice as many.

    For logs whose users each have a time of their own.
    """
    places: dict[str, list[int]] = {}
    for place, event in enumerate(events):
        if isinstance(event, Interaction) and event.user_id and event.kind in INTEREST:
            places.setdefault(event.user_id, []).append(place)
    held = {place for own in places.values() if len(own) > 2 * count for place in own[-count:]}
    train = [event for place, event in enumerate(events) if place not in held]
    return of_two_logs(train, [events[place] for place in sorted(held)])


def has_session(event: Interaction) -> bool:
    """Tell whether the event has a session of its own, rather than the implicit one of its user."""
    return not (event.user_id and event.session_id.startswith("user:"))


def _is_interest(event: Event) -> bool:
    return event.kind in INTEREST


def _checked(split: Split) -> Split:
    for name, events in (("before", split.train), ("after", split.test)):
        if not any(_is_interest(event) for event in events):
            times = [event.time_us for event in (*split.train, *split.test)]
            first, last = (f"{utc_from_us(time_us):%Y-%m-%dT%H:%M:%SZ}" for time_us in (min(times), max(times)))
            raise NothingToTest(
                f"events: must hold views, purchases or the like {name} the cut; got none {name} "
                f"{utc_from_us(split.cut_us):%Y-%m-%dT%H:%M:%SZ}, where all events lie from {first} to {last}; "
                "--holdout or --test places the cut"
            )
    return split

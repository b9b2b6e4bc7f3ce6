"""What is asked, and when: the two protocols.

- next-item: each event of a test session is foreseen from the events before it. Lines of one instant of a shopper share
  a state, and none of them is in it.
- future: what each user does after the cut is foreseen from what was known at the cut.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from recommender.evaluation.contract import Query
from recommender.evaluation.histories import Histories
from recommender.evaluation.log import Event
from recommender.evaluation.split import INTEREST, NothingToTest, Split, last_tenth_us, read_duration_us, span_us
from recommender.features.interaction import Interaction, implicit_session

_FOUR_WEEKS_US = read_duration_us("28d")

ProtocolName = Literal["next-item", "future"]


class Question(NamedTuple):
    """A query, with what the figures are parted by."""

    query: Query
    cluster: str
    """The session or the user, which resampling takes or leaves as a whole."""
    length: int
    """Events of interest in the past: of the session, if it has an id, else of the user."""
    is_known: bool
    """Whether the user has events in TRAIN; True for anonymous shoppers."""
    is_counted: bool = True
    """Whether it counts in the figures, rather than in a slice alone."""


Step = Question | Event
"""Something to answer, or an event to observe."""


class Protocol(NamedTuple):
    """How contestants are asked."""

    name: ProtocolName
    split: Split
    new_items_only: bool = False
    """Of the protocol future: only items that the user has not had."""
    asked: frozenset[str] | None = None
    """Clusters that are asked about; None for all."""

    @property
    def one_target_each(self) -> bool:
        """Whether each target of a query is a trial of its own, rather than the query as a whole."""
        return self.name == "next-item"

    def target_rule(self) -> TargetRule:
        """Return which events are asked for."""
        kinds = INTEREST if self.name == "next-item" else target_kinds(self.split)
        return TargetRule(self.split, kinds, free_too=self.name == "next-item")

    def steps(self) -> Iterator[Step]:
        """Yield questions and events in order of time; of one time, all questions come first."""
        steps = _next_item(self.split) if self.name == "next-item" else _future(self.split, self.new_items_only)
        asked = self.asked
        if asked is None:
            return steps
        return (step for step in steps if not isinstance(step, Question) or step.cluster in asked)

    def sampled(self, most: int, seed: int) -> Protocol:
        """Return the protocol with at most so many shoppers asked, drawn at random."""
        clusters = sorted({step.cluster for step in self.steps() if isinstance(step, Question)})
        if len(clusters) <= most:
            return self
        return self._replace(asked=frozenset(random.Random(seed).sample(clusters, most)))  # noqa: S311


def usual_holdout_us(events: Sequence[Event], protocol: ProtocolName) -> int:
    """Return how much of the end of a log to foresee: a tenth; of a future 28 days, if the log spans twice as many."""
    first, last = span_us(events)
    if protocol == "future" and last - first >= 2 * _FOUR_WEEKS_US:
        return _FOUR_WEEKS_US
    return last_tenth_us(events)


def known_items(events: Sequence[Event]) -> frozenset[str]:
    """Return the items that some event of interest is about."""
    return frozenset(event.item_id for event in events if isinstance(event, Interaction) and event.kind in INTEREST)


def _next_item(split: Split) -> Iterator[Step]:
    histories = Histories(split.train)
    known_users = set(histories.users())
    for now_us, group in groupby(split.test, key=lambda event: event.time_us):
        events = list(group)
        targets: dict[tuple[str, str], set[str]] = {}
        for event in events:
            if isinstance(event, Interaction) and event.kind in INTEREST and event.session_id not in split.straddling:
                targets.setdefault((event.user_id, event.session_id), set()).add(event.item_id)
        for (user_id, session_id), items in targets.items():
            past = histories.of(user_id, session_id)
            length = _length(past, session_id)
            if length:
                query = Query(user_id, session_id, now_us, past, frozenset(items), frozenset())
                yield Question(query, session_id, length, not user_id or user_id in known_users)
        for event in events:
            histories.add(event)
            yield event


def _length(past: Sequence[Interaction], session_id: str) -> int:
    return sum(event.session_id == session_id and event.kind in INTEREST for event in past)


def _future(split: Split, new_items_only: bool) -> Iterator[Step]:
    is_target = TargetRule(split, target_kinds(split))
    wanted: dict[str, set[str]] = {}
    items = known_items(split.train)
    for event in split.test:
        if isinstance(event, Interaction) and event.user_id and is_target(event) and event.item_id in items:
            wanted.setdefault(event.user_id, set()).add(event.item_id)
    if not wanted:
        raise NothingToTest(
            "future: must hold events of users, with a user_id, after the cut, of items known before; got none"
        )
    histories = Histories(split.train)
    for user_id in sorted(wanted):
        past = histories.of(user_id, "")
        had = frozenset(event.item_id for event in past if is_target(event))
        targets = frozenset(wanted[user_id] - had if new_items_only else wanted[user_id])
        if targets:
            exclude = had if new_items_only else frozenset()
            query = Query(user_id, implicit_session(user_id), split.cut_us, past, targets, exclude)
            length = sum(event.kind in INTEREST for event in past)
            yield Question(query, user_id, length, bool(length), bool(length))


def target_kinds(split: Split) -> frozenset[str]:
    """Return the kinds of events that the protocol future asks for: purchases, if both parts have any, else all."""
    parts = (split.train, split.test)
    if all(any(event.kind == "purchase" for event in part) for part in parts):
        return frozenset({"purchase"})
    return INTEREST


class TargetRule:
    """Tells whether an event counts: its kind does, and it is not given away in a log that has prices."""

    def __init__(self, split: Split, kinds: frozenset[str], *, free_too: bool = False) -> None:
        self.kinds = kinds
        self._with_prices = not free_too and any(
            isinstance(event, Interaction) and event.price_cents > 0 for event in split.train
        )

    def __call__(self, event: Event) -> bool:
        """Tell it."""
        if not isinstance(event, Interaction) or event.kind not in self.kinds:
            return False
        return not (self._with_prices and event.kind == "purchase" and event.price_cents == 0)

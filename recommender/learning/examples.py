"""From events to examples: what a shopper looked like just before an event, and the item of the event."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from recommender.events import AnyCatalogueEvent, ItemUpsert
from recommender.features.interaction import Interaction, digest
from recommender.features.item_catalogue import UNKNOWN
from recommender.features.memory import FeatureMemory
from recommender.features.shopper import Shopper
from recommender.learning.growing import Example
from recommender.model.description import Description, describe_item, describe_shopper
from recommender.training.dataset import TARGET_WEIGHTS

_MOMENTS = 20_000
"""Shoppers whose latest moment is remembered [count]."""


class Observed(NamedTuple):
    """An example, and whose it is."""

    example: Example
    shopper: int
    """A number of the shopper's."""
    session: int
    """A number of the session's."""
    time_us: int


class ItemKnowledge(Protocol):
    """What the model that learns knows of items."""

    def describe(self, item_id: str, description: Description, whole: bool) -> None:
        """Take what an item is described by: wholly, by the catalogue, or as far as events have told it."""

    def recall(self, item_id: str) -> tuple[str, str]:
        """Return category and brand of an item as far as they are known."""


class _Moment(NamedTuple):
    """A shopper at an instant: events of one instant, such as the lines of an order, share it."""

    time_us: int
    state: Description
    known: list[str]
    """Grows with the items of the instant, also for examples that were made before."""


class ExampleMaker:
    """Keeps feature rows in memory as the stream would have them, and makes examples of the events.

    Args:
        most_shoppers: those not seen for longest are forgotten beyond twice this number.
        knowledge: is told what items are described by, and asked for what was told before this began.
    """

    def __init__(self, most_shoppers: int, knowledge: ItemKnowledge) -> None:
        self.memory = FeatureMemory()
        self._most = most_shoppers
        self._knowledge = knowledge
        self._recalled: dict[str, tuple[str, str]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        """Time of the latest event of each user and session, those not seen for longest first."""
        self._moments: dict[tuple[str, str], _Moment] = {}
        self._said: dict[str, tuple[str, str, int]] = {}

    def take(self, event: Interaction | AnyCatalogueEvent, *, wanted: bool = True) -> Observed | None:
        """Take the next event of the log; return the example that it makes, if it makes one and one is wanted."""
        if not isinstance(event, Interaction):
            if self.memory.take(event) and isinstance(event, ItemUpsert):
                self._recalled[event.item_id] = "", ""  # the memory knows
                self._describe_item(event.item_id)
            return None
        if event.item_id:
            self._recall(event)
        key = event.user_id, event.session_id
        moment = None
        if wanted and event.item_id and event.kind in TARGET_WEIGHTS:
            moment = self._moments.get(key)
            if moment is None or moment.time_us != event.time_us:
                moment = self._moment(event)
        if not self.memory.take(event):
            return None
        self._see(key, event.time_us)
        if event.item_id:
            self._learn_of(event)
        if moment is None:
            return None
        self._moments.pop(key, None)
        self._moments[key] = moment
        moment.known.append(event.item_id)
        if len(self._moments) > _MOMENTS:
            del self._moments[next(iter(self._moments))]
        example = Example(moment.state, event.item_id, TARGET_WEIGHTS[event.kind], moment.known)
        return Observed(example, shopper_number(event), digest(event.session_id), event.time_us)

    def tell(self, knowledge: ItemKnowledge) -> None:
        """Tell another model from now on, and of all items what they are described by."""
        self._knowledge = knowledge
        for rows in self.memory.items():
            self._describe_item(rows.item_id)

    def _recall(self, event: Interaction) -> None:
        """Complete an event by what was known of its item before this began."""
        known = self._recalled.get(event.item_id)
        if known is None:
            known = self._recalled[event.item_id] = self._knowledge.recall(event.item_id)
        event.category = event.category or known[0]
        event.brand = event.brand or known[1]

    def _moment(self, event: Interaction) -> _Moment:
        shopper = self.memory.shopper(event.user_id, event.session_id, event.time_us)
        state = describe_shopper(shopper, now_us=event.time_us, device=event.device, country=event.country)
        return _Moment(event.time_us, state, _known(shopper))

    def _see(self, key: tuple[str, str], time_us: int) -> None:
        self._seen.pop(key, None)
        self._seen[key] = time_us
        if len(self._seen) > 2 * self._most:
            times = sorted(self._seen.values())
            oldest_us = times[len(times) - self._most]
            self.memory.forget_before(oldest_us)
            self._seen = {key: at_us for key, at_us in self._seen.items() if at_us >= oldest_us}

    def _learn_of(self, event: Interaction) -> None:
        """Describe an item when it is met first, and when an event says something else of it than those before."""
        said = event.category, event.brand, UNKNOWN if event.price_cents < 0 else event.price_cents.bit_length()
        if self._said.get(event.item_id) != said:
            self._said[event.item_id] = said
            self._describe_item(event.item_id)

    def _describe_item(self, item_id: str) -> None:
        row = self.memory.item(item_id).catalogue
        if row is None:
            description = describe_item(item_id, "", "", UNKNOWN, "", [])
        else:
            description = describe_item(item_id, row.category, row.brand, row.price_cents, row.title, row.tags)
        self._knowledge.describe(item_id, description, row is not None and row.listed_at_ms > 0)


def shopper_number(event: Interaction) -> int:
    """Return the number of the shopper of an event: of a known one the same in all sessions."""
    return digest(event.user_id or event.session_id)


def _known(shopper: Shopper) -> list[str]:
    """Return the items that a shopper has looked at lately, or long ago."""
    known = [item for session in shopper.sessions for item in session.recent_items]
    if shopper.items is not None:
        known += shopper.items.items
    return list(dict.fromkeys(known))

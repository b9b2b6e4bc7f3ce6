"""From events to examples: what a shopper looked like just before an event, and the item of the event."""

from __future__ import annotations

from collections.abc import Collection
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


class _Said(NamedTuple):
    """What events have said of an item."""

    category: str
    brand: str
    price_cents: int


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
        self._seen: dict[tuple[str, str], int] = {}
        """Time of the latest event of each user and session, those not seen for longest first."""
        self._moments: dict[tuple[str, str], _Moment] = {}
        self._said: dict[str, _Said] = {}
        """Of items that the catalogue has not described since this began."""
        self._described: set[str] = set()
        """Items that it has."""

    def take(self, event: Interaction | AnyCatalogueEvent, *, wanted: bool = True) -> Observed | None:
        """Take the next event of the log; return the example that it makes, if it makes one and one is wanted."""
        if not isinstance(event, Interaction):
            if self.memory.take(event) and isinstance(event, ItemUpsert):
                self._described.add(event.item_id)
                self._said.pop(event.item_id, None)
                self._tell_described(event.item_id)
            return None
        key = event.user_id, event.session_id
        moment = None
        if wanted and event.item_id and event.kind in TARGET_WEIGHTS:
            moment = self._moments.get(key)
            if moment is None or moment.time_us != event.time_us:
                moment = self._moment(event)
        if event.item_id and event.item_id not in self._described:
            self._complete(event)
        if not self.memory.take(event, items=False):
            return None
        self._see(key, event.time_us)
        if moment is None:
            return None
        self._moments.pop(key, None)
        self._moments[key] = moment
        moment.known.append(event.item_id)
        if len(self._moments) > _MOMENTS:
            del self._moments[next(iter(self._moments))]
        example = Example(moment.state, event.item_id, TARGET_WEIGHTS[event.kind], moment.known)
        return Observed(example, shopper_number(event), digest(event.session_id), event.time_us)

    def forget(self, users: Collection[str], sessions: Collection[str]) -> None:
        """Forget users and sessions."""
        self.memory.forget(users, sessions)
        for known in (self._seen, self._moments):
            for key in [key for key in known if key[0] in users or (not key[0] and key[1] in sessions)]:
                del known[key]

    def tell(self, knowledge: ItemKnowledge) -> None:
        """Tell another model from now on, and of all items what they are described by."""
        self._knowledge = knowledge
        for item_id in self._described:
            self._tell_described(item_id)
        for item_id, said in self._said.items():
            self._tell_said(item_id, said)

    def _complete(self, event: Interaction) -> None:
        """Complete an event by what the model, or an earlier event, has said of its item; else learn what it says."""
        before = self._said.get(event.item_id)
        known = before or _Said(*self._knowledge.recall(event.item_id), UNKNOWN)
        price_cents = known.price_cents if event.price_cents == UNKNOWN else event.price_cents
        said = _Said(known.category or event.category, known.brand or event.brand, price_cents)
        event.category = event.category or said.category
        event.brand = event.brand or said.brand
        if said != before:
            self._said[event.item_id] = said
            self._tell_said(event.item_id, said)

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

    def _tell_described(self, item_id: str) -> None:
        row = self.memory.item(item_id).catalogue
        if row is not None:
            description = describe_item(item_id, row.category, row.brand, row.price_cents, row.title, row.tags)
            self._knowledge.describe(item_id, description, True)

    def _tell_said(self, item_id: str, said: _Said) -> None:
        description = describe_item(item_id, said.category, said.brand, said.price_cents, "", [])
        self._knowledge.describe(item_id, description, False)


def shopper_number(event: Interaction) -> int:
    """Return the number of the shopper of an event: of a known one the same in all sessions."""
    return digest(event.user_id or event.session_id)


def _known(shopper: Shopper) -> list[str]:
    """Return the items that a shopper has looked at lately, or long ago."""
    known = [item for session in shopper.sessions for item in session.recent_items]
    if shopper.items is not None:
        known += shopper.items.items
    return list(dict.fromkeys(known))

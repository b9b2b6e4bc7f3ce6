"""The keyed steps of the feature flow: each applies the pure folds of `recommender.features` to a shard's states."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from dataflows.effects import Effects, ItemFiled
from dataflows.erasing import apart, by_session_shard, erase_sessions
from dataflows.keyed_state import KeyedState
from dataflows.sharding import SHARD_NAMES, Retention, shard_of
from recommender.erasure.control import EraseControl
from recommender.events import AnyCatalogueEvent, StockChange
from recommender.events.fields import IMPLICIT_SESSION_PREFIX
from recommender.features import (
    Interaction,
    SessionFeatures,
    category,
    item_activity,
    item_catalogue,
    session,
)
from recommender.features.category import CategoryState
from recommender.features.item_activity import ACTIVITY_KINDS, ActivityState, CategoryEntry
from recommender.features.item_catalogue import UNKNOWN, CatalogueState
from recommender.features.session import SessionState
from recommender.settings import Settings

_Keyed = list[tuple[str, Effects]]
_BY_ARRIVAL = attrgetter("ingested_us", "number")


class CatalogueStage:
    """Keyed by item: keeps the catalogue, and completes shopper events from it."""

    name = "catalogue"
    state_type = CatalogueState
    retention = None

    @staticmethod
    def split(batches: _Keyed) -> Iterable[tuple[str, Effects]]:
        """Send each event to its item's shard; one without an item passes through any."""
        shards: dict[str, Effects] = {}
        for _, effects in batches:
            for event in effects.events:
                shard = shard_of(event.item_id or event.session_id)
                (shards.get(shard) or shards.setdefault(shard, Effects())).events.append(event)
            for change in effects.catalogue:
                shard = shard_of(change.item_id)
                (shards.get(shard) or shards.setdefault(shard, Effects())).catalogue.append(change)
            if effects.erasures:  # they go behind the events, whichever way these went
                for shard in SHARD_NAMES:
                    (shards.get(shard) or shards.setdefault(shard, Effects())).erasures += effects.erasures
        return shards.items()

    def process(self, inputs: list[Effects], states: KeyedState[CatalogueState]) -> Effects:
        """Return the new rows, and the shopper events with category, brand and price where these are known.

        There is a row for each catalogue event, and one for each item that shoppers alone have told something of.
        """
        made = Effects()
        learned: dict[str, CatalogueState] = {}
        for effects in inputs:
            for change in effects.catalogue:
                if self._change(change, states, made):
                    learned.pop(change.item_id, None)  # the row of the change has it all
            for event in effects.events:
                if event.item_id:
                    _meet(event, states, learned)
            made.events += effects.events
            made.erasures += effects.erasures
        made.rows += [item_catalogue.row(item_id, state) for item_id, state in learned.items()]
        return made

    def _change(self, change: AnyCatalogueEvent, states: KeyedState[CatalogueState], made: Effects) -> bool:
        """Take a catalogue event; return whether it has made a row."""
        state = states.touch(change.item_id)
        if not item_catalogue.fold(state, change):
            return False
        made.rows.append(item_catalogue.row(change.item_id, state))
        if not isinstance(change, StockChange):
            filed = "" if state.deleted else state.category
            made.filings.append(ItemFiled(change.item_id, filed, change.time_us))
        return True


def _meet(event: Interaction, states: KeyedState[CatalogueState], learned: dict[str, CatalogueState]) -> None:
    """Learn from an event about an item that the catalogue lacks; complete one about an item that it has."""
    item_id = event.item_id
    known = states.peek(item_id)
    if known is None or not known.described_us:
        if event.late or not (event.category or event.brand or event.price_cents != UNKNOWN):
            if known is None:
                return
        else:
            known = states.touch(item_id)
            if item_catalogue.learn(known, event):
                learned[item_id] = known
    event.category = event.category or known.category
    event.brand = event.brand or known.brand
    if event.price_cents == UNKNOWN and event.kind != "refund":
        event.price_cents, event.currency = known.price_cents, known.currency


class SessionStage:
    """Keyed by session: keeps what a visit has been about."""

    name = "sessions"
    state_type = SessionState

    def __init__(self, settings: Settings) -> None:
        session_days, user_days = settings.session_days, settings.user_days
        self.retention = Retention(
            lambda key: user_days if key.startswith(IMPLICIT_SESSION_PREFIX) else session_days, SessionFeatures.entity
        )

    @staticmethod
    def split(batches: _Keyed) -> Iterable[tuple[str, list[Interaction | EraseControl]]]:
        """Send each event to its session's shard."""
        shards: dict[str, list[Interaction | EraseControl]] = {}
        for _, effects in batches:
            for event in effects.events:
                shards.setdefault(shard_of(event.session_id), []).append(event)
            for control in effects.erasures:
                for shard, own in by_session_shard(control).items():
                    shards.setdefault(shard, []).append(own)
        return shards.items()

    def process(self, inputs: list[list[Interaction | EraseControl]], states: KeyedState[SessionState]) -> Effects:
        """Return all events, for each one that is not late its session's row, and the item pairs.

        The stage before has sorted the events by item, so they are put back into the order of the log.
        """
        events, controls = apart(inputs)
        events.sort(key=_BY_ARRIVAL)
        made = Effects(events=events)
        rows, pairs = made.rows, made.pairs
        for event in events:
            if event.late:
                continue
            if event.pairs:
                pairs += event.pairs
                event.pairs = []
            session_id = event.session_id
            state = states.touch(session_id)
            session.fold(state, event)
            rows.append(session.row(session_id, state))
        erase_sessions(controls, made, states)
        return made


class ActivityStage:
    """Keyed by item: counts what shoppers do with it, and what they look at and buy together with it."""

    name = "activity"
    state_type = ActivityState
    retention = None

    @staticmethod
    def split(batches: _Keyed) -> Iterable[tuple[str, Effects]]:
        """Send what concerns an item to its shard."""
        shards: dict[str, Effects] = {}
        for _, effects in batches:
            for event in effects.events:
                if event.item_id and not event.late and event.kind in ACTIVITY_KINDS:
                    shard = shard_of(event.item_id)
                    (shards.get(shard) or shards.setdefault(shard, Effects())).events.append(event)
            for pair in effects.pairs:
                shard = shard_of(pair.item_id)
                (shards.get(shard) or shards.setdefault(shard, Effects())).pairs.append(pair)
            for filing in effects.filings:
                shard = shard_of(filing.item_id)
                (shards.get(shard) or shards.setdefault(shard, Effects())).filings.append(filing)
        return shards.items()

    def process(self, inputs: list[Effects], states: KeyedState[ActivityState]) -> Effects:
        """Return one row for each item touched, and what its categories learn of it."""
        made = Effects()
        changed: dict[str, ActivityState] = {}
        news: dict[str, tuple[int, int]] = {}  # item to the latest time of its events, and their number
        for effects in inputs:
            for filing in effects.filings:
                state = states.touch(filing.item_id)
                made.entries += item_activity.file_under(state, filing.item_id, filing.category, filing.time_us)
            for event in effects.events:
                item_id = event.item_id
                state = changed[item_id] = states.touch(item_id)
                if event.category:
                    made.entries += item_activity.file_under(state, item_id, event.category, event.time_us)
                item_activity.fold(state, event)
                latest_us, count = news.get(item_id, (0, 0))
                news[item_id] = (max(latest_us, event.time_us), count + 1)
            for pair in effects.pairs:
                state = changed[pair.item_id] = states.touch(pair.item_id)
                item_activity.fold_pair(state, pair)
        for item_id, state in changed.items():
            made.rows.append(item_activity.row(item_id, state))
            if item_id in news:
                made.entries += item_activity.category_entries(state, item_id, *news[item_id])
        return made


class CategoryStage:
    """Keyed by category: keeps which of its items are in demand."""

    name = "categories"
    state_type = CategoryState
    retention = None

    @staticmethod
    def split(batches: _Keyed) -> Iterable[tuple[str, list[CategoryEntry]]]:
        """Send each entry to its category's shard."""
        shards: dict[str, list[CategoryEntry]] = {}
        for _, effects in batches:
            for entry in effects.entries:
                shards.setdefault(shard_of(entry.category), []).append(entry)
        return shards.items()

    def process(self, inputs: list[list[CategoryEntry]], states: KeyedState[CategoryState]) -> Effects:
        """Return one row for each category touched."""
        changed: dict[str, CategoryState] = {}
        for entries in inputs:
            for entry in entries:
                state = changed[entry.category] = states.touch(entry.category)
                category.fold(state, entry)
        return Effects(rows=[category.row(key, state) for key, state in changed.items()])

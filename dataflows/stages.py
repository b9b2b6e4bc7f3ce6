"""The keyed steps of the feature flow: each applies the pure folds of `recommender.features` to a shard's states."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec

from dataflows import metrics
from dataflows.keyed_state import KeyedState
from dataflows.sharding import Effects
from recommender.events import CatalogueEvent, StockChange
from recommender.features import Interaction, category, intake, item_activity, item_catalogue, session, user
from recommender.features.category import CategoryState
from recommender.features.intake import IntakeState
from recommender.features.item_activity import ActivityState, CategoryEntry
from recommender.features.item_catalogue import UNKNOWN, CatalogueState
from recommender.features.session import Pair, SessionState
from recommender.features.user import UserState


class ItemFiled(msgspec.Struct):
    """The catalogue has put an item into a category, or with an empty one into none."""

    item_id: str
    category: str
    time_us: int


class IntakeStage:
    """Keyed by session, in the order of the event log: drops repeated events, and marks late ones."""

    name = "intake"
    state_type = IntakeState

    def key_of(self, value: Any) -> str | None:
        """Return the session of a shopper event."""
        return value.session_id if isinstance(value, Interaction) else None

    def process(self, values: Iterable[Any], states: KeyedState[IntakeState]) -> Effects:
        """Return each event once."""
        effects: Effects = []
        for event in sorted(values, key=attrgetter("ingested_us", "number")):
            state = states.touch(event.session_id)
            if intake.is_repeated(state, event):
                metrics.DUPLICATES.inc()
                continue
            if intake.is_late(state, event):
                metrics.LATE.inc()
                event.late = True
            effects.append(event)
        return effects


class CatalogueStage:
    """Keyed by item: keeps the catalogue, and completes shopper events from it."""

    name = "catalogue"
    state_type = CatalogueState

    def key_of(self, value: Any) -> str | None:
        """Return the item; events without one are passed on by any shard."""
        if isinstance(value, Interaction):
            return value.item_id or value.session_id
        return value.item_id if isinstance(value, CatalogueEvent) else None

    def process(self, values: Iterable[Any], states: KeyedState[CatalogueState]) -> Effects:
        """Return the new rows, and the shopper events with category, brand and price where these are known."""
        effects: Effects = []
        for value in values:
            if isinstance(value, Interaction):
                if value.item_id:
                    effects.extend(_meet(value, states))
                effects.append(value)
            else:
                state = states.touch(value.item_id)
                if item_catalogue.fold(state, value):
                    effects.append(item_catalogue.row(value.item_id, state))
                    if not isinstance(value, StockChange):
                        filed = "" if state.deleted else state.category
                        effects.append(ItemFiled(value.item_id, filed, value.time_us))
        return effects


def _meet(event: Interaction, states: KeyedState[CatalogueState]) -> Effects:
    """Learn from an event about an item that the catalogue lacks; complete one about an item that it has."""
    known = states.peek(event.item_id)
    if known is None or not known.described_us:
        tells = event.category or event.brand or event.price_cents != UNKNOWN
        known = states.touch(event.item_id) if tells else known
        if known is None:
            return []
        if tells and item_catalogue.learn(known, event):
            return [item_catalogue.row(event.item_id, known)]
    event.category = event.category or known.category
    event.brand = event.brand or known.brand
    if event.price_cents == UNKNOWN and event.kind != "refund":
        event.price_cents, event.currency = known.price_cents, known.currency
    return []


class SessionStage:
    """Keyed by session: keeps what a visit has been about, and pairs the items met in it."""

    name = "sessions"
    state_type = SessionState

    def key_of(self, value: Any) -> str | None:
        """Return the session of a shopper event."""
        return value.session_id if isinstance(value, Interaction) else None

    def process(self, values: Iterable[Any], states: KeyedState[SessionState]) -> Effects:
        """Return each event, and behind each one that is not late its session's row and its item pairs.

        The stage before has sorted the events by item, so they are put back into the order of the log.
        """
        effects: Effects = []
        for event in sorted(values, key=attrgetter("ingested_us", "number")):
            effects.append(event)
            if event.late:
                continue
            state = states.touch(event.session_id)
            pairs = session.fold(state, event)
            effects.append(session.row(event.session_id, state))
            effects.extend(pairs)
        return effects


class UserStage:
    """Keyed by user: keeps what known shoppers look at and buy."""

    name = "users"
    state_type = UserState

    def key_of(self, value: Any) -> str | None:
        """Return the known shopper of an event that is not late."""
        return (value.user_id or None) if isinstance(value, Interaction) and not value.late else None

    def process(self, values: Iterable[Any], states: KeyedState[UserState]) -> Effects:
        """Return a row behind each event."""
        effects: Effects = []
        for event in values:
            state = states.touch(event.user_id)
            user.fold(state, event)
            effects.append(user.row(event.user_id, state))
        return effects


class ActivityStage:
    """Keyed by item: counts what shoppers do with it, and what they look at and buy together with it."""

    name = "activity"
    state_type = ActivityState

    def key_of(self, value: Any) -> str | None:
        """Return the item of what concerns an item."""
        if isinstance(value, Pair):
            return value.item_id
        if isinstance(value, Interaction):
            concerns = value.item_id and not value.late and value.kind in item_activity.ACTIVITY_KINDS
            return value.item_id if concerns else None
        return value.item_id if isinstance(value, ItemFiled) else None

    def process(self, values: Iterable[Any], states: KeyedState[ActivityState]) -> Effects:
        """Return one row for each item touched, and what its categories learn of it."""
        effects: Effects = []
        changed: dict[str, ActivityState] = {}
        for value in values:
            item_id = value.item_id
            state = states.touch(item_id)
            if isinstance(value, Pair):
                item_activity.fold_pair(state, value)
                changed[item_id] = state
                continue
            if value.category or isinstance(value, ItemFiled):
                effects.extend(item_activity.file_under(state, item_id, value.category, value.time_us))
            if isinstance(value, Interaction):
                item_activity.fold(state, value)
                changed[item_id] = state
                effects.extend(item_activity.category_entries(state, item_id))
        effects.extend(item_activity.row(item_id, state) for item_id, state in changed.items())
        return effects


class CategoryStage:
    """Keyed by category: keeps which of its items are in demand."""

    name = "categories"
    state_type = CategoryState

    def key_of(self, value: Any) -> str | None:
        """Return the category of an entry."""
        return value.category if isinstance(value, CategoryEntry) else None

    def process(self, values: Iterable[Any], states: KeyedState[CategoryState]) -> Effects:
        """Return one row for each category touched."""
        changed: dict[str, CategoryState] = {}
        for entry in values:
            state = states.touch(entry.category)
            category.fold(state, entry)
            changed[entry.category] = state
        return [category.row(key, state) for key, state in changed.items()]

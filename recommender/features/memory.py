"""The feature rows in one process, as the stream would have them: for training on files, evaluation and learning.

It applies the same folds in the same order as the feature flow, one event after the other, without a store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from recommender.events import AnyCatalogueEvent, StockChange
from recommender.features import (
    intake,
    item_activity,
    item_catalogue,
    pairs,
    session,
    user,
    user_items,
    user_purchases,
)
from recommender.features.ageing import aged
from recommender.features.interaction import Interaction, implicit_session
from recommender.features.item_activity import ACTIVITY_KINDS, ActivityState, ItemActivity
from recommender.features.item_catalogue import UNKNOWN, CatalogueState, ItemCatalogue
from recommender.features.pairs import Trail
from recommender.features.session import SessionState
from recommender.features.shopper import Shopper
from recommender.features.user import UserState
from recommender.features.user_items import UserItemsState
from recommender.features.user_purchases import UserPurchasesState


class ItemRows(NamedTuple):
    """What is known of an item; None where nothing is."""

    item_id: str
    catalogue: ItemCatalogue | None
    activity: ItemActivity | None


class _Judged:
    """What is remembered of a shopper's session to judge its next event."""

    __slots__ = ("latest_us", "purchases", "seen", "views")

    def __init__(self) -> None:
        self.latest_us = 0
        self.seen: dict[int, int] = {}
        self.views: Trail = []
        self.purchases: Trail = []


class _User:
    """The states of one known shopper."""

    __slots__ = ("features", "items", "purchases")

    def __init__(self) -> None:
        self.features = UserState()
        self.items: UserItemsState | None = None
        self.purchases: UserPurchasesState | None = None


class FeatureMemory:
    """States of all entities met so far."""

    def __init__(self) -> None:
        self._judged: dict[tuple[str, str], _Judged] = {}
        self._sessions: dict[str, SessionState] = {}
        self._users: dict[str, _User] = {}
        self._catalogue: dict[str, CatalogueState] = {}
        self._activity: dict[str, ActivityState] = {}

    def take(self, event: Interaction | AnyCatalogueEvent, *, items: bool = True) -> bool:
        """Take the next event of the log; return False for one that changes nothing: repeated, late or overtaken.

        Args:
            event: completed in place by what the catalogue knows of its item, and by the pairs that it makes.
            items: whether it changes what is known of items as well, or of the shopper alone.
        """
        if not isinstance(event, Interaction):
            return not items or self._change(event)
        if not self._counts(event):
            return False
        self._complete(event, items)
        state = self._sessions.get(event.session_id)
        if state is None:
            state = self._sessions[event.session_id] = SessionState()
        session.fold(state, event)
        if event.user_id:
            self._fold_user(event)
        if items and event.item_id and event.kind in ACTIVITY_KINDS:
            self._fold_item(event)
        return True

    def shopper(self, user_id: str, session_id: str, now_us: int) -> Shopper:
        """Return what is known of a shopper as of ``now_us``, no earlier than what was taken; ids may be empty."""
        ids = dict.fromkeys([implicit_session(user_id)] if user_id else [])
        if session_id:
            ids[session_id] = None
        sessions = [session.row(key, self._sessions[key]) for key in ids if key in self._sessions]
        sessions.sort(key=lambda row: row.feature_time_us, reverse=True)
        known = self._users.get(user_id)
        features = user.row(user_id, known.features) if known else None
        items = user_items.row(user_id, known.items) if known and known.items else None
        purchases = user_purchases.row(user_id, known.purchases) if known and known.purchases else None
        rows = (features, items, purchases, *sessions)
        return Shopper(
            features and aged(features, now_us),
            [aged(row, now_us) for row in sessions],
            items and aged(items, now_us),
            purchases and aged(purchases, now_us),
            max((row.feature_time_us for row in rows if row is not None), default=0),
        )

    def items(self) -> Iterator[ItemRows]:
        """Yield the rows of all items, as of their own feature times."""
        for item_id in dict.fromkeys((*self._catalogue, *self._activity)):
            yield self.item(item_id)

    def item(self, item_id: str) -> ItemRows:
        """Return the rows of one item."""
        described, active = self._catalogue.get(item_id), self._activity.get(item_id)
        return ItemRows(
            item_id,
            item_catalogue.row(item_id, described) if described and described.clock.events else None,
            item_activity.row(item_id, active) if active else None,
        )

    def forget(self, users: Collection[str], sessions: Collection[str]) -> None:
        """Forget users and sessions."""
        for key in [key for key in self._judged if key[0] in users or (not key[0] and key[1] in sessions)]:
            del self._judged[key]
        for session_id in sessions:
            self._sessions.pop(session_id, None)
        for user_id in users:
            self._users.pop(user_id, None)

    def forget_before(self, time_us: int) -> None:
        """Forget the sessions and users whose latest event is older."""
        self._judged = {key: state for key, state in self._judged.items() if state.latest_us >= time_us}
        self._sessions = {key: state for key, state in self._sessions.items() if state.clock.latest_us >= time_us}
        self._users = {key: state for key, state in self._users.items() if state.features.clock.latest_us >= time_us}

    def _counts(self, event: Interaction) -> bool:
        key = event.user_id, event.session_id
        state = self._judged.get(key)
        if state is None:
            state = self._judged[key] = _Judged()
        if intake.is_repeated(state.seen, event):
            return False
        if intake.is_late(state.latest_us, event):
            event.late = True
            return False
        state.latest_us = max(state.latest_us, event.time_us)
        if event.kind == "view":
            event.pairs = pairs.meet(state.views, event)
        elif event.kind == "purchase":
            event.pairs = pairs.meet(state.purchases, event)
        return True

    def _change(self, change: AnyCatalogueEvent) -> bool:
        state = self._catalogue.setdefault(change.item_id, CatalogueState())
        if not item_catalogue.fold(state, change):
            return False
        if not isinstance(change, StockChange):
            active = self._activity.get(change.item_id)
            if active is not None:
                filed = "" if state.deleted else state.category
                item_activity.file_under(active, change.item_id, filed, change.time_us)
        return True

    def _complete(self, event: Interaction, learn: bool) -> None:
        if not event.item_id:
            return
        known = self._catalogue.get(event.item_id)
        says = event.category or event.brand or event.price_cents != UNKNOWN
        if learn and says and (known is None or not known.described_us):
            known = known or self._catalogue.setdefault(event.item_id, CatalogueState())
            item_catalogue.learn(known, event)
        if known is None:
            return
        event.category = event.category or known.category
        event.brand = event.brand or known.brand
        if event.price_cents == UNKNOWN and event.kind != "refund":
            event.price_cents, event.currency = known.price_cents, known.currency

    def _fold_user(self, event: Interaction) -> None:
        known = self._users.get(event.user_id)
        if known is None:
            known = self._users[event.user_id] = _User()
        user.fold(known.features, event)
        if event.item_id and event.kind in ACTIVITY_KINDS:
            known.items = known.items or UserItemsState()
            user_items.fold(known.items, event)
        if event.kind == "purchase":
            known.purchases = known.purchases or UserPurchasesState()
            user_purchases.fold(known.purchases, event)

    def _fold_item(self, event: Interaction) -> None:
        state = self._activity.get(event.item_id)
        if state is None:
            state = self._activity[event.item_id] = ActivityState()
        if event.category:
            item_activity.file_under(state, event.item_id, event.category, event.time_us)
        item_activity.fold(state, event)
        for pair in event.pairs:
            other = self._activity.get(pair.item_id)
            if other is None:
                other = self._activity[pair.item_id] = ActivityState()
            item_activity.fold_pair(other, pair)

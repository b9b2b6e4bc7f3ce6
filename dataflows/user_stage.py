"""The step of the feature flow that keeps what is known of shoppers over all their visits."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dataflows.effects import Effects
from dataflows.erasing import apart, by_user_shard, erase_users
from dataflows.keyed_state import KeyedState
from dataflows.sharding import Retention, shard_of
from recommender.erasure.control import EraseControl
from recommender.features import Interaction, UserFeatures, user, user_items, user_purchases
from recommender.features.user import INTEREST, UserState
from recommender.features.user_items import UserItemsState
from recommender.features.user_purchases import UserPurchasesState
from recommender.settings import Settings

_encode = msgspec.msgpack.Encoder().encode
_items = msgspec.msgpack.Decoder(UserItemsState).decode
_purchases = msgspec.msgpack.Decoder(UserPurchasesState).decode


class UserStage:
    """Keyed by user: keeps what known shoppers look at and buy."""

    name = "users"
    state_type = UserState

    def __init__(self, settings: Settings) -> None:
        self.retention = Retention(lambda _: settings.user_days, UserFeatures.entity)

    @staticmethod
    def split(batches: list[tuple[str, Effects]]) -> Iterable[tuple[str, list[Interaction | EraseControl]]]:
        """Send each event of a known shopper, unless it is late, to the shopper's shard."""
        shards: dict[str, list[Interaction | EraseControl]] = {}
        for _, effects in batches:
            for event in effects.events:
                if event.user_id and not event.late:
                    shards.setdefault(shard_of(event.user_id), []).append(event)
            for control in effects.erasures:
                for shard, own in by_user_shard(control).items():
                    shards.setdefault(shard, []).append(own)
        return shards.items()

    def process(self, inputs: list[list[Interaction | EraseControl]], states: KeyedState[UserState]) -> Effects:
        """Return a row of ``user`` for each event, and of the views with long lists one for each shopper of the batch.

        Of several rows at once the store keeps the last; those before it would only be written to history.
        """
        made = Effects()
        rows = made.rows
        looked: dict[str, tuple[UserState, UserItemsState]] = {}
        bought: dict[str, tuple[UserState, UserPurchasesState]] = {}
        events, controls = apart(inputs)
        for event in events:
            user_id, kind = event.user_id, event.kind
            state = states.touch(user_id)
            user.fold(state, event)
            rows.append(user.row(user_id, state))
            if kind not in INTEREST:
                continue
            if user_id not in looked:
                looked[user_id] = state, _items(state.items) if state.items else UserItemsState()
            user_items.fold(looked[user_id][1], event)
            if kind != "purchase":
                continue
            if user_id not in bought:
                bought[user_id] = state, _purchases(state.purchases) if state.purchases else UserPurchasesState()
            user_purchases.fold(bought[user_id][1], event)
        for user_id, (state, items) in looked.items():
            state.items = _encode(items)
            rows.append(user_items.row(user_id, items))
        for user_id, (state, purchases) in bought.items():
            state.purchases = _encode(purchases)
            rows.append(user_purchases.row(user_id, purchases))
        erase_users(controls, made, states)
        return made

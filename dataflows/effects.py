"""What flows between the steps of the feature flow: lists by kind, for a step to take what it needs."""

from __future__ import annotations

from typing import NamedTuple

import bytewax.operators as op
import msgspec
from bytewax.operators import KeyedStream

from recommender.deadletters import DeadLetter
from recommender.erasure.control import EraseControl
from recommender.events import AnyCatalogueEvent
from recommender.features import FeatureRow, Interaction
from recommender.features.item_activity import CategoryEntry
from recommender.features.pairs import Pair


class ItemFiled(msgspec.Struct, gc=False):
    """The catalogue has put an item into a category, or with an empty one into none."""

    item_id: str
    category: str
    time_us: int


class Forgotten(NamedTuple):
    """The state of an entity was dropped, so its rows have to go, those of all its views."""

    entity: str
    key: str


class Effects(msgspec.Struct):
    """What a step makes of a list of inputs; each list is in order."""

    rows: list[FeatureRow] = []
    events: list[Interaction] = []
    catalogue: list[AnyCatalogueEvent] = []
    pairs: list[Pair] = []
    filings: list[ItemFiled] = []
    entries: list[CategoryEntry] = []
    letters: list[DeadLetter] = []
    forgotten: list[Forgotten] = []
    erasures: list[EraseControl] = []


def only(step_id: str, up: KeyedStream[Effects], *names: str) -> KeyedStream[Effects]:
    """Return the stream with nothing in it but these lists; also where all of them are empty."""

    def pick(pairs: list[tuple[str, Effects]]) -> list[tuple[str, Effects]]:
        return [(key, Effects(**{name: getattr(effects, name) for name in names})) for key, effects in pairs]

    return op.flat_map_batch(step_id, up, pick)

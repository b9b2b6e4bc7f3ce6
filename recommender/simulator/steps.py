"""What a visit consists of: things that happen, and questions to the recommender."""

from __future__ import annotations

from typing import Any, NamedTuple

Fields = dict[str, Any]
"""The fields of an event in JSON."""


class Happening(NamedTuple):
    """An event, whole once the simulation has given it an id and a time."""

    time_us: int
    event: Fields


class SlateWanted(NamedTuple):
    """The shop's page asks for a slate; the answer is sent back into the generator."""

    time_us: int
    request: Fields
    """Who asks and for which place of the shop, as the API takes it."""


class Slate(NamedTuple):
    """What the recommender answered."""

    slate_id: str
    item_ids: list[str]

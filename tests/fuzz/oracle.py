"""What must hold of any bytes that come as an event: Pydantic's verdict, and nothing that a later stage cannot bear."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from recommender.deadletters import dead_letter
from recommender.events import CatalogueEvent, InvalidEvent, decode_event, encode_event, refuse_future, utc_from_us
from recommender.events.fast import read_quickly
from recommender.features import Interaction
from recommender.features.interaction import interaction, read_interaction

LATER_US = 253_402_300_000 * 10**6
"""Nearly no event time lies behind it."""
_NUMBER = 7
_LONGEST_REASON = 2_000
_INT64 = range(-(2**63), 2**63)


class Verdict(NamedTuple):
    """What became of a payload: an event, flat if it is a shopper's, or the reason why there is none."""

    event: Any
    reason: str = ""


def by_pydantic(payload: bytes, ingested_us: int = LATER_US) -> Verdict:
    """Return the verdict of the models."""
    try:
        event = decode_event(payload)
        refuse_future(event, utc_from_us(ingested_us))
    except InvalidEvent as error:
        return Verdict(None, str(error))
    if isinstance(event, CatalogueEvent):
        return Verdict(event)
    return Verdict(interaction(event, payload=payload, ingested_us=ingested_us, number=_NUMBER))


def by_reader(payload: bytes, ingested_us: int = LATER_US) -> Verdict:
    """Return the verdict of what the stream reads events with."""
    try:
        return Verdict(read_interaction(payload, ingested_us, _NUMBER))
    except InvalidEvent as error:
        return Verdict(None, str(error))


def check(payload: bytes) -> Verdict:
    """Return the verdict; both ways to it agree, down to the type of each number."""
    verdict = by_pydantic(payload)
    found = by_reader(payload)
    assert found == verdict
    assert repr(found) == repr(verdict)
    if verdict.event is None:
        assert read_quickly(payload) is None
        _bear_letter(verdict.reason, payload)
    elif isinstance(verdict.event, Interaction):
        _bear_interaction(verdict.event)
    else:
        assert read_quickly(payload) is None
        assert decode_event(encode_event(verdict.event)) == verdict.event
        _bear_key(verdict.event.item_id)
    return verdict


def _bear_interaction(event: Interaction) -> None:
    for key in (event.session_id, event.user_id or "-", event.item_id or "-", event.category or "-"):
        _bear_key(key)
    for number in (event.time_us, event.price_cents, event.quantity, event.digest):
        assert number in _INT64
    assert event.time_us > 0
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(event), type=Interaction) == event
    event.payload.decode()


def _bear_key(key: str) -> None:
    """Keys stand in change notices, one on each line, and in Redis, as UTF-8."""
    assert key
    assert not {"\n", "\0"} & set(key)
    assert key.encode().decode() == key


def _bear_letter(reason: str, payload: bytes) -> None:
    letter = dead_letter("shopper-0 1-0", reason, payload, 1.0, 1)
    assert reason.isprintable()
    assert 0 < len(reason) <= _LONGEST_REASON
    assert msgspec.json.decode(msgspec.json.encode(letter), type=type(letter)) == letter

"""A quick reader of shopper events: sure of most valid ones, and silent about everything else."""

from __future__ import annotations

from typing import Any, Union, get_args

import msgspec

from recommender.events.codec import MOST_EVENT_BYTES, AnyShopperEvent
from recommender.events.fields import CATEGORY_NAME_PATTERN, ID_PATTERN, IMPLICIT_SESSION_PREFIX
from recommender.events.moment import read_time_us
from recommender.events.structs import struct_of

_BACKSLASH, _GREATER, _DELETE, _SPACE = b"\\>\x7f "
SHOPPER_MODELS = get_args(get_args(AnyShopperEvent)[0])


def _decode(*, without: tuple[str, ...]) -> Any:
    structs = tuple(struct_of(model, without) for model in SHOPPER_MODELS)
    return msgspec.json.Decoder(Union[structs]).decode  # noqa: UP007


decode_any = _decode(without=())
"""Reads the struct of any shopper event; leaves its time and the rules between fields unchecked."""
_decode_plain = _decode(without=(ID_PATTERN, CATEGORY_NAME_PATTERN))


def read_quickly(payload: bytes) -> tuple[Any, int] | None:
    """Return a shopper event, as a struct with the fields of its model, and its time [us since 1970 UTC].

    None says nothing of the payload but that ``decode_event`` has to judge it: it is invalid, or of the catalogue, or
    valid in an unusual form.
    """
    if len(payload) > MOST_EVENT_BYTES:
        return None
    # In JSON without any of these no text has a control character, a ">", or a space at an end.
    plain = not (
        _BACKSLASH in payload
        or _GREATER in payload
        or _DELETE in payload
        or (_SPACE in payload and (payload.find(b'" ') >= 0 or payload.find(b' "') >= 0))
    )
    try:
        event = (_decode_plain if plain else decode_any)(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    session_id = event.session_id
    if session_id is None:
        if event.user_id is None:
            return None
    elif session_id.startswith(IMPLICIT_SESSION_PREFIX):
        return None
    if event.priced and event.price_cents is not None and event.currency is None:
        return None
    time_us = read_time_us(event.event_time)
    return None if time_us is None else (event, time_us)

"""Payloads that are hardly ever events: noise, and events of every kind that were damaged."""

from __future__ import annotations

import json
import random

from tests.spec.test_events import INVALID, VALID

PAST = "2024-05-05T05:05:05Z"
_JSON_PIECES = rb"""
    " \ \\ \" \u0000 \ud800 \udc00 \ud83d\ude00 { } [ ] , : null true false NaN -0 1e9 1.0 99999999999999999999
    "kind":"view", "user_id":null, "context":{}, "x":1, "event_id":"e1"
"""
_BYTES = (b" ", b"\n", b"\0", b"\x7f", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8")
_LONG = (b"[" * 5_000, b"9" * 5_000, b"x" * 20_000)
_PIECES = (*_JSON_PIECES.split(), *_BYTES, *_LONG)


def payloads(chance: random.Random, number: int) -> list[bytes]:
    """Return different payloads."""
    examples = [*VALID.values(), *(event for event, _ in INVALID.values())]
    made: dict[bytes, None] = {}
    while len(made) < number:
        kind = chance.random()
        if kind < 0.25:
            payload = chance.randbytes(chance.randrange(200))
        else:
            event = {**chance.choice(examples), "event_id": f"e{len(made)}"}
            if chance.random() < 0.9:
                event["event_time"] = PAST
            payload = json.dumps(event, ensure_ascii=chance.random() < 0.5, separators=(",", ":")).encode()
            for _ in range(chance.randrange(4)):
                payload = _damaged(payload, chance)
        made[payload] = None
    return list(made)


def _damaged(payload: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(payload) + 1), chance.randrange(1, 6)
    match chance.randrange(6):
        case 0:
            return payload[:at]
        case 1:
            return payload[:at] + chance.randbytes(length) + payload[at + length :]
        case 2:
            return payload[:at] + payload[at + length :]
        case 3:
            return payload[:at] + payload[max(0, at - 40) : at] + payload[at:]
        case 4:
            return payload.replace(chance.choice(payload.split(b",")), chance.choice(payload.split(b",")), 1)
        case _:
            return payload[:at] + chance.choice(_PIECES) + payload[at:]

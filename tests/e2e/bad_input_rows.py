"""A bad input, and short ways to write one down."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

JSON = "application/json"
VIEW = {
    "kind": "view",
    "event_id": "e-1",
    "event_time": "2026-01-02T03:04:05Z",
    "user_id": "u-1",
    "item_id": "i-1",
}
KINDS = (
    "'view', 'click', 'search', 'add_to_cart', 'remove_from_cart', 'add_to_wishlist', 'remove_from_wishlist', "
    "'begin_checkout', 'purchase', 'payment', 'refund', 'survey_answer', 'exposure', 'item_upsert', 'item_delete', "
    "'stock_change'"
)
SURFACES = "must be one of home, similar, bought_together, cart, trending, category, search, recently_viewed, rank"


class BadInput(NamedTuple):
    """One bad request, and the answer to it."""

    what: str
    method: str
    path: str
    body: bytes
    status: int
    code: str
    message: str
    content_type: str = JSON


def view(**changes: Any) -> bytes:
    return as_json({name: value for name, value in (VIEW | changes).items() if value is not None})


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def event(what: str, body: bytes, message: str, status: int = 422, code: str = "none_accepted") -> BadInput:
    return BadInput(what, "POST", "/v1/events", body, status, code, message)


def get(what: str, path: str, status: int, code: str, message: str) -> BadInput:
    return BadInput(what, "GET", path, b"", status, code, message)


def ask(what: str, question: Any, message: str, status: int = 422, code: str = "invalid_request") -> BadInput:
    body = question if isinstance(question, bytes) else as_json(question)
    return BadInput(what, "POST", "/v1/recommendations", body, status, code, message)

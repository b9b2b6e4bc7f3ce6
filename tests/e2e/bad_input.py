"""Bad inputs, and what the API answers. ``python -m tests.e2e.bad_input`` prints them as docs/bad_input.md."""

# ruff: noqa: E501 - messages stand here as they come

from __future__ import annotations

import json
from typing import Any, NamedTuple

JSON = "application/json"
_VIEW = {
    "kind": "view",
    "event_id": "e-1",
    "event_time": "2026-01-02T03:04:05Z",
    "user_id": "u-1",
    "item_id": "i-1",
}
_KINDS = (
    "'view', 'click', 'search', 'add_to_cart', 'remove_from_cart', 'add_to_wishlist', 'remove_from_wishlist', "
    "'begin_checkout', 'purchase', 'payment', 'refund', 'survey_answer', 'exposure', 'item_upsert', 'item_delete', "
    "'stock_change'"
)
_SURFACES = "Input should be 'home', 'similar', 'trending', 'cart', 'category' or 'search'"


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


def _view(**changes: Any) -> bytes:
    return _json({name: value for name, value in (_VIEW | changes).items() if value is not None})


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _event(what: str, body: bytes, message: str, status: int = 422, code: str = "none_accepted") -> BadInput:
    return BadInput(what, "POST", "/v1/events", body, status, code, message)


def _get(what: str, path: str, status: int, code: str, message: str) -> BadInput:
    return BadInput(what, "GET", path, b"", status, code, message)


def _ask(what: str, question: Any, message: str, status: int = 422, code: str = "invalid_request") -> BadInput:
    body = question if isinstance(question, bytes) else _json(question)
    return BadInput(what, "POST", "/v1/recommendations", body, status, code, message)


BAD_INPUTS = [
    _event("field missing", _view(item_id=None), "view.item_id: Field required"),
    _event("unknown field", _view(itemid="i-2"), "view.itemid: Extra inputs are not permitted; got 'i-2'"),
    _event("number where a text belongs", _view(item_id=7), "view.item_id: Input should be a valid string; got 7"),
    _event(
        "unknown kind",
        _view(kind="hover"),
        f"event: Input tag 'hover' found using 'kind' does not match any of the expected tags: {_KINDS}; got an object",
    ),
    _event("no kind", _view(kind=None), "event: Unable to extract tag using discriminator 'kind'; got an object"),
    _event(
        "neither user nor session",
        _view(user_id=None),
        "view: at least one of user_id and session_id is required; got an object",
    ),
    _event("empty id", _view(event_id=""), "view.event_id: String should have at least 1 character; got ''"),
    _event(
        "id of 129 characters",
        _view(event_id="x" * 129),
        "view.event_id: String should have at most 128 characters; got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
    ),
    _event(
        "id with a line break",
        _view(user_id="u\n1"),
        "view.user_id: String should match pattern '^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$'; got 'u\\n1'",
    ),
    _event(
        "time without offset",
        _view(event_time="2026-01-02T03:04:05"),
        "view.event_time: Input should have timezone info; got '2026-01-02T03:04:05'",
    ),
    _event(
        "time as a number",
        _view(event_time=1767323045),
        "view.event_time: must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00; got 1767323045",
    ),
    _event(
        "no such day",
        _view(event_time="2026-02-30T00:00:00Z"),
        "view.event_time: Input should be a valid datetime or date, day value is outside expected range; got '2026-02-30T00:00:00Z'",
    ),
    _event(
        "far in the future",
        _view(event_time="2999-01-01T00:00:00Z"),
        "view.event_time: must not be more than 5 minutes ahead of the server's clock; got 2999-01-01T00:00:00+00:00",
    ),
    _event(
        "before 1970",
        _view(event_time="1969-12-31T23:59:59Z"),
        "view.event_time: must lie after 1970-01-01T00:00:00Z; got '1969-12-31T23:59:59Z'",
    ),
    _event(
        "negative price",
        _view(price_cents=-5, currency="EUR"),
        "view.price_cents: Input should be greater than or equal to 0; got -5",
    ),
    _event(
        "price as a fraction",
        _view(price_cents=12.5, currency="EUR"),
        "view.price_cents: Input should be a valid integer; got 12.5",
    ),
    _event(
        "price beyond all bounds",
        _view(price_cents=10**30, currency="EUR"),
        "view.price_cents: Input should be less than or equal to 1000000000000; got 1000000000000000000000000000000",
    ),
    _event(
        "price without currency",
        _view(price_cents=5),
        "view: currency is required where price_cents is given; got an object",
    ),
    _event(
        "unknown form of currency",
        _view(price_cents=5, currency="euro"),
        "view.currency: String should match pattern '^[A-Z]{3}$'; got 'euro'",
    ),
    _event("category as a text", _view(category="Shoes"), "view.category: Input should be a valid array; got 'Shoes'"),
    _event(
        "quantity 0",
        _view(kind="add_to_cart", quantity=0),
        "add_to_cart.quantity: Input should be greater than or equal to 1; got 0",
    ),
    _event("purchase without order", _view(kind="purchase"), "purchase.order_id: Field required"),
    _event(
        "unknown payment status",
        _json(
            {k: v for k, v in _VIEW.items() if k != "item_id"}
            | {"kind": "payment", "order_id": "o-1", "status": "lost"}
        ),
        "payment.status: Input should be 'authorised', 'captured' or 'failed'; got 'lost'",
    ),
    _event(
        "country in small letters",
        _view(context={"country": "de"}),
        "view.context.country: String should match pattern '^[A-Z]{2}$'; got 'de'",
    ),
    _event(
        "attribute that is no number",
        _json(
            {
                "kind": "item_upsert",
                "event_id": "e-1",
                "event_time": _VIEW["event_time"],
                "item_id": "i-1",
                "attributes": {"weight": [1]},
            }
        ),
        "item_upsert.attributes.weight.constrained-str: Input should be a valid string; got [1] | item_upsert.attributes.weight.constrained-int: Input should be a valid integer; got [1] | item_upsert.attributes.weight.constrained-float: Input should be a valid number; got [1] | item_upsert.attributes.weight.bool: Input should be a valid boolean; got [1]",
    ),
    _event(
        "negative stock",
        _json(
            {
                "kind": "stock_change",
                "event_id": "e-1",
                "event_time": _VIEW["event_time"],
                "item_id": "i-1",
                "stock": -1,
            }
        ),
        "stock_change.stock: Input should be greater than or equal to 0; got -1",
    ),
    _event("an array in the array", b"[[]]", "event: Input should be an object; got []"),
    _event("null in the array", b"[null]", "event: Input should be an object; got None"),
    _event("not JSON", b"{view}", "body: must be JSON; key must be a string at line 1 column 2", 400, "not_json"),
    _event(
        "JSON cut off",
        _view()[:-9],
        "body: must be JSON; EOF while parsing a string at line 1 column 100",
        400,
        "not_json",
    ),
    _event(
        "NaN, which is not JSON",
        _view()[:-1] + b', "price_cents": NaN}',
        "body: must be JSON; expected value at line 1 column 126",
        400,
        "not_json",
    ),
    _event(
        "nested 1,000 deep",
        b"[" * 1_000,
        "body: must be JSON; recursion limit exceeded at line 1 column 202",
        400,
        "not_json",
    ),
    _event(
        "not UTF-8",
        b'{"kind": "view", "user_id": "\xff"}',
        "body: must be UTF-8; got byte 0xff at offset 29",
        400,
        "not_json",
    ),
    _event(
        "half a surrogate pair",
        b'{"kind": "view", "user_id": "\\ud800"}',
        "body: must be JSON; unexpected end of hex escape at line 1 column 36",
        400,
        "not_json",
    ),
    _event("empty body", b"", "body: must not be empty", 400, "not_json"),
    _event("empty array", b"[]", "body: must hold at least 1 entry; got 0", 422, "invalid_request"),
    _event("a bare number", b"42", "body: must be an object or an array of objects; got 42", 422, "invalid_request"),
    _event(
        "1,001 events",
        b"[" + b",".join([_view()] * 1_001) + b"]",
        "body: must hold at most 1000 entries; got 1001",
        413,
        "batch_too_large",
    ),
    _event("more than 1 MiB", b" " * 1_048_577, "body: must be at most 1048576 bytes", 413, "body_too_large"),
    BadInput(
        "another content type",
        "POST",
        "/v1/events",
        _view(),
        415,
        "unsupported_media_type",
        "content-type: must be application/json; got 'text/plain'",
        "text/plain",
    ),
    BadInput(
        "another encoding",
        "POST",
        "/v1/events",
        _view(),
        415,
        "unsupported_media_type",
        "content-type: must be in UTF-8; got 'utf-16'",
        "application/json; charset=utf-16",
    ),
    BadInput(
        "item id differs from the address",
        "PUT",
        "/v1/items/i-1",
        _json({"item_id": "i-2"}),
        422,
        "none_accepted",
        "item_upsert.item_id: must be the one in the address, 'i-1'; got 'i-2'",
    ),
    BadInput(
        "kind differs from the address",
        "PUT",
        "/v1/items/i-1",
        _json({"kind": "item_delete"}),
        422,
        "none_accepted",
        "item_upsert.kind: must be 'item_upsert' at this address; got 'item_delete'",
    ),
    BadInput(
        "array for one item",
        "PUT",
        "/v1/items/i-1",
        b"[]",
        422,
        "none_accepted",
        "event: Input should be an object; got []",
    ),
    BadInput(
        "too long an item id",
        "PUT",
        "/v1/items/" + "x" * 129,
        b"{}",
        422,
        "invalid_request",
        "path.item_id: String should have at most 128 characters; got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
    ),
    BadInput(
        "stock missing", "PUT", "/v1/items/i-1/stock", b"{}", 422, "none_accepted", "stock_change.stock: Field required"
    ),
    BadInput(
        "stock as a text",
        "PUT",
        "/v1/items/i-1/stock",
        _json({"stock": "3"}),
        422,
        "none_accepted",
        "stock_change.stock: Input should be a valid integer; got '3'",
    ),
    BadInput(
        "item id missing in bulk",
        "POST",
        "/v1/items",
        _json([{"title": "Shoe"}]),
        422,
        "none_accepted",
        "item_upsert.item_id: Field required",
    ),
    BadInput(
        "item id missing in bulk stock",
        "POST",
        "/v1/stock",
        _json([{"stock": 1}]),
        422,
        "none_accepted",
        "stock_change.item_id: Field required",
    ),
    BadInput(
        "white space as item id to delete",
        "DELETE",
        "/v1/items/%20",
        b"",
        422,
        "invalid_request",
        "path.item_id: String should match pattern '^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$'; got ' '",
    ),
    _get(
        "n = 0",
        "/v1/users/u-1/recommendations?n=0",
        422,
        "invalid_request",
        "query.n: Input should be greater than or equal to 1; got '0'",
    ),
    _get(
        "n = 10^9",
        "/v1/users/u-1/recommendations?n=1000000000",
        422,
        "invalid_request",
        "query.n: Input should be less than or equal to 100; got '1000000000'",
    ),
    _get(
        "n of 5,000 digits",
        "/v1/users/u-1/recommendations?n=" + "9" * 5_000,
        422,
        "invalid_request",
        "query.n: Unable to parse input string as an integer, exceeded maximum size; got '999999999999999999999999999999999999999999999999999999999999999999999999999999…",
    ),
    _get(
        "n as a word",
        "/v1/users/u-1/recommendations?n=ten",
        422,
        "invalid_request",
        "query.n: Input should be a valid integer, unable to parse string as an integer; got 'ten'",
    ),
    _get(
        "unknown surface",
        "/v1/users/u-1/recommendations?surface=footer",
        422,
        "invalid_request",
        f"query.surface: {_SURFACES}; got 'footer'",
    ),
    _get(
        "search without query",
        "/v1/users/u-1/recommendations?surface=search",
        422,
        "invalid_request",
        "query: is required on surface search",
    ),
    _get(
        "control character in the user id",
        "/v1/users/u%00/recommendations",
        422,
        "invalid_request",
        "path.user_id: String should match pattern '^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$'; got 'u\\x00'",
    ),
    _get(
        "items like an unknown one",
        "/v1/items/nowhere/similar",
        404,
        "unknown_item",
        "item_id: must be a known item; got 'nowhere'",
    ),
    _get("unknown item", "/v1/items/nowhere", 404, "unknown_item", "item_id: must be a known item; got 'nowhere'"),
    _get(
        "unknown category",
        "/v1/trending?category=Nowhere",
        404,
        "unknown_category",
        "category: must be a known category; got 'Nowhere'",
    ),
    _ask("unknown field in a question", {"user": "u-1"}, "body.user: Extra inputs are not permitted; got 'u-1'"),
    _ask("question that is an array", [], "body: Input should be an object; got []"),
    _ask(
        "question that is not JSON",
        b"{",
        "body: must be JSON; EOF while parsing an object at line 1 column 1",
        400,
        "not_json",
    ),
    _ask("n as a text", {"n": "5"}, "body.n: Input should be a valid integer; got '5'"),
    _ask("category surface without category", {"surface": "category"}, "category: is required on surface category"),
    _ask(
        "1,001 items excluded",
        {"exclude_item_ids": ["i"] * 1_001},
        "body.exclude_item_ids: List should have at most 1000 items after validation, not 1001; got ['i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i'…",
    ),
    _get("unknown address", "/v2/events", 404, "not_found", "no such address"),
    _get(
        "method that the address does not take",
        "/v1/events",
        405,
        "method_not_allowed",
        "this address does not take this method",
    ),
]


def as_markdown() -> str:
    """Return the table as a page."""
    lines = [
        "# Bad input and its answers",
        "",
        "Written by `python -m tests.e2e.bad_input` from the table that the tests hold a running service to. Every",
        'answer has the form `{"error": {"code": ..., "message": ..., "details": [...]}}`; nothing here is a 5xx.',
        "",
        "| input | request | status | code | message |",
        "|---|---|---|---|---|",
    ]
    for bad in BAD_INPUTS:
        path = bad.path if len(bad.path) <= 60 else bad.path[:57] + "..."
        cells = [bad.what, f"`{bad.method} {path}`", str(bad.status), f"`{bad.code}`", bad.message.replace("|", "\\|")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown())

"""Bad inputs, and what the API answers. ``python -m tests.e2e.bad_input`` prints them as docs/bad_input.md."""

# ruff: noqa: E501 - messages stand here as they come

from __future__ import annotations

from tests.e2e.bad_input_events import BAD_EVENTS
from tests.e2e.bad_input_rows import SURFACES, BadInput, as_json, ask, get, view

BAD_INPUTS = [
    *BAD_EVENTS,
    BadInput(
        "another content type",
        "POST",
        "/v1/events",
        view(),
        415,
        "unsupported_media_type",
        "content-type: must be application/json; got 'text/plain'",
        "text/plain",
    ),
    BadInput(
        "another encoding",
        "POST",
        "/v1/events",
        view(),
        415,
        "unsupported_media_type",
        "content-type: must be in UTF-8; got 'utf-16'",
        "application/json; charset=utf-16",
    ),
    BadInput(
        "item id differs from the address",
        "PUT",
        "/v1/items/i-1",
        as_json({"item_id": "i-2"}),
        422,
        "none_accepted",
        "item_upsert.item_id: must be the one in the address, 'i-1'; got 'i-2'",
    ),
    BadInput(
        "kind differs from the address",
        "PUT",
        "/v1/items/i-1",
        as_json({"kind": "item_delete"}),
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
        as_json({"stock": "3"}),
        422,
        "none_accepted",
        "stock_change.stock: Input should be a valid integer; got '3'",
    ),
    BadInput(
        "item id missing in bulk",
        "POST",
        "/v1/items",
        as_json([{"title": "Shoe"}]),
        422,
        "none_accepted",
        "item_upsert.item_id: Field required",
    ),
    BadInput(
        "item id missing in bulk stock",
        "POST",
        "/v1/stock",
        as_json([{"stock": 1}]),
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
    get(
        "n = 0",
        "/v1/users/u-1/recommendations?n=0",
        422,
        "invalid_request",
        "query.n: Input should be greater than or equal to 1; got '0'",
    ),
    get(
        "n = 10^9",
        "/v1/users/u-1/recommendations?n=1000000000",
        422,
        "invalid_request",
        "query.n: Input should be less than or equal to 100; got '1000000000'",
    ),
    get(
        "n of 5,000 digits",
        "/v1/users/u-1/recommendations?n=" + "9" * 5_000,
        422,
        "invalid_request",
        "query.n: Unable to parse input string as an integer, exceeded maximum size; got '999999999999999999999999999999999999999999999999999999999999999999999999999999…",
    ),
    get(
        "n as a word",
        "/v1/users/u-1/recommendations?n=ten",
        422,
        "invalid_request",
        "query.n: Input should be a valid integer, unable to parse string as an integer; got 'ten'",
    ),
    get(
        "unknown surface",
        "/v1/users/u-1/recommendations?surface=footer",
        422,
        "invalid_request",
        f"surface: {SURFACES}; got 'footer'",
    ),
    get(
        "filter that is none",
        "/v1/trending?filter=price%20%3C",
        422,
        "invalid_request",
        "filter: must have a number to compare price with at 7; got the end",
    ),
    get(
        "filter with an unknown field",
        "/v1/trending?filter=colour%20%3D%3D%20%27red%27",
        422,
        "invalid_request",
        "filter: must name a field, one of category, brand, item_id, tags, price, stock, listed_days; got 'colour' at 0",
    ),
    get(
        "parameter that there is not",
        "/v1/trending?limit=5",
        422,
        "invalid_request",
        "query.limit: Extra inputs are not permitted; got '5'",
    ),
    get(
        "age below zero",
        "/v1/trending?age=-1",
        422,
        "invalid_request",
        "query.age: Input should be greater than or equal to 0; got '-1'",
    ),
    get(
        "search without query",
        "/v1/users/u-1/recommendations?surface=search",
        422,
        "invalid_request",
        "query: is required on surface search",
    ),
    get(
        "control character in the user id",
        "/v1/users/u%00/recommendations",
        422,
        "invalid_request",
        "path.user_id: String should match pattern '^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$'; got 'u\\x00'",
    ),
    get(
        "items like an unknown one",
        "/v1/items/nowhere/similar",
        404,
        "unknown_item",
        "item_id: must be a known item; got 'nowhere'",
    ),
    get("unknown item", "/v1/items/nowhere", 404, "unknown_item", "item_id: must be a known item; got 'nowhere'"),
    get(
        "unknown category",
        "/v1/trending?category=Nowhere",
        404,
        "unknown_category",
        "category: must be a known category; got 'Nowhere'",
    ),
    ask("unknown field in a question", {"user": "u-1"}, "body.user: Extra inputs are not permitted; got 'u-1'"),
    ask("question that is an array", [], "body: Input should be an object; got []"),
    ask(
        "question that is not JSON",
        b"{",
        "body: must be JSON; EOF while parsing an object at line 1 column 1",
        400,
        "not_json",
    ),
    ask("n as a text", {"n": "5"}, "body.n: Input should be a valid integer; got '5'"),
    ask("category surface without category", {"surface": "category"}, "category: is required on surface category"),
    ask(
        "1,001 items excluded",
        {"exclude_item_ids": ["i"] * 1_001},
        "body.exclude_item_ids: List should have at most 1000 items after validation, not 1001; got ['i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i', 'i'…",
    ),
    get("unknown address", "/v2/events", 404, "not_found", "no such address"),
    get(
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

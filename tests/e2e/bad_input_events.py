"""Bad events, and what the API answers."""

# ruff: noqa: E501 - messages stand here as they come

from __future__ import annotations

from tests.e2e.bad_input_rows import KINDS, VIEW, as_json, event, view

BAD_EVENTS = [
    event("field missing", view(item_id=None), "view.item_id: Field required"),
    event("unknown field", view(itemid="i-2"), "view.itemid: Extra inputs are not permitted; got 'i-2'"),
    event("number where a text belongs", view(item_id=7), "view.item_id: Input should be a valid string; got 7"),
    event(
        "unknown kind",
        view(kind="hover"),
        f"event.kind: must be one of {KINDS}; got 'hover'",
    ),
    event("no kind", view(kind=None), "event.kind: Field required"),
    event(
        "neither user nor session",
        view(user_id=None),
        "view: at least one of user_id and session_id is required; got an object",
    ),
    event("empty id", view(event_id=""), "view.event_id: String should have at least 1 character; got ''"),
    event(
        "id of 129 characters",
        view(event_id="x" * 129),
        "view.event_id: String should have at most 128 characters; got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…",
    ),
    event(
        "id with a line break",
        view(user_id="u\n1"),
        "view.user_id: String should match pattern '^[^\\x00-\\x20\\x7f](?:[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f])?$'; got 'u\\n1'",
    ),
    event(
        "time without offset",
        view(event_time="2026-01-02T03:04:05"),
        "view.event_time: Input should have timezone info; got '2026-01-02T03:04:05'",
    ),
    event(
        "time as a number",
        view(event_time=1767323045),
        "view.event_time: must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00; got 1767323045",
    ),
    event(
        "no such day",
        view(event_time="2026-02-30T00:00:00Z"),
        "view.event_time: Input should be a valid datetime or date, day value is outside expected range; got '2026-02-30T00:00:00Z'",
    ),
    event(
        "far in the future",
        view(event_time="2999-01-01T00:00:00Z"),
        "view.event_time: must not be more than 5 minutes ahead of the server's clock; got 2999-01-01T00:00:00+00:00",
    ),
    event(
        "before 1970",
        view(event_time="1969-12-31T23:59:59Z"),
        "view.event_time: must lie after 1970-01-01T00:00:00Z; got '1969-12-31T23:59:59Z'",
    ),
    event(
        "negative price",
        view(price_cents=-5, currency="EUR"),
        "view.price_cents: Input should be greater than or equal to 0; got -5",
    ),
    event(
        "price as a fraction",
        view(price_cents=12.5, currency="EUR"),
        "view.price_cents: Input should be a valid integer; got 12.5",
    ),
    event(
        "price beyond all bounds",
        view(price_cents=10**30, currency="EUR"),
        "view.price_cents: Input should be less than or equal to 1000000000000; got 1000000000000000000000000000000",
    ),
    event(
        "price without currency",
        view(price_cents=5),
        "view: currency is required where price_cents is given; got an object",
    ),
    event(
        "unknown form of currency",
        view(price_cents=5, currency="euro"),
        "view.currency: String should match pattern '^[A-Z]{3}$'; got 'euro'",
    ),
    event("category as a text", view(category="Shoes"), "view.category: Input should be a valid array; got 'Shoes'"),
    event(
        "quantity 0",
        view(kind="add_to_cart", quantity=0),
        "add_to_cart.quantity: Input should be greater than or equal to 1; got 0",
    ),
    event("purchase without order", view(kind="purchase"), "purchase.order_id: Field required"),
    event(
        "unknown payment status",
        as_json(
            {k: v for k, v in VIEW.items() if k != "item_id"} | {"kind": "payment", "order_id": "o-1", "status": "lost"}
        ),
        "payment.status: Input should be 'authorised', 'captured' or 'failed'; got 'lost'",
    ),
    event(
        "country in small letters",
        view(context={"country": "de"}),
        "view.context.country: String should match pattern '^[A-Z]{2}$'; got 'de'",
    ),
    event(
        "attribute that is no number",
        as_json(
            {
                "kind": "item_upsert",
                "event_id": "e-1",
                "event_time": VIEW["event_time"],
                "item_id": "i-1",
                "attributes": {"weight": [1]},
            }
        ),
        "item_upsert.attributes.weight.constrained-str: Input should be a valid string; got [1] | item_upsert.attributes.weight.constrained-int: Input should be a valid integer; got [1] | item_upsert.attributes.weight.constrained-float: Input should be a valid number; got [1] | item_upsert.attributes.weight.bool: Input should be a valid boolean; got [1]",
    ),
    event(
        "negative stock",
        as_json(
            {
                "kind": "stock_change",
                "event_id": "e-1",
                "event_time": VIEW["event_time"],
                "item_id": "i-1",
                "stock": -1,
            }
        ),
        "stock_change.stock: Input should be greater than or equal to 0; got -1",
    ),
    event("an array in the array", b"[[]]", "event: Input should be an object; got []"),
    event("null in the array", b"[null]", "event: Input should be an object; got None"),
    event("not JSON", b"{view}", "body: must be JSON; key must be a string at line 1 column 2", 400, "not_json"),
    event(
        "JSON cut off",
        view()[:-9],
        "body: must be JSON; EOF while parsing a string at line 1 column 100",
        400,
        "not_json",
    ),
    event(
        "NaN, which is not JSON",
        view()[:-1] + b', "price_cents": NaN}',
        "body: must be JSON; expected value at line 1 column 126",
        400,
        "not_json",
    ),
    event(
        "nested 1,000 deep",
        b"[" * 1_000,
        "body: must be JSON; recursion limit exceeded at line 1 column 202",
        400,
        "not_json",
    ),
    event(
        "not UTF-8",
        b'{"kind": "view", "user_id": "\xff"}',
        "body: must be UTF-8; got byte 0xff at offset 29",
        400,
        "not_json",
    ),
    event(
        "half a surrogate pair",
        b'{"kind": "view", "user_id": "\\ud800"}',
        "body: must be JSON; unexpected end of hex escape at line 1 column 36",
        400,
        "not_json",
    ),
    event("empty body", b"", "body: must not be empty", 400, "not_json"),
    event("empty array", b"[]", "body: must hold at least 1 entry; got 0", 422, "invalid_request"),
    event("a bare number", b"42", "body: must be an object or an array of objects; got 42", 422, "invalid_request"),
    event(
        "1,001 events",
        b"[" + b",".join([view()] * 1_001) + b"]",
        "body: must hold at most 1000 entries; got 1001",
        413,
        "batch_too_large",
    ),
    event("more than 1 MiB", b" " * 1_048_577, "body: must be at most 1048576 bytes", 413, "body_too_large"),
]

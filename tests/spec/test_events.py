"""Events as a shop sends them: what is accepted, and in which words the rest is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommender.events import EVENT, Event, InvalidEvent, View, decode_event, encode_event, refuse_future

TIME = "2026-11-22T08:00:00Z"
VIEW: dict[str, Any] = {"kind": "view", "event_id": "e1", "event_time": TIME, "user_id": "u1", "item_id": "i1"}
SEARCH: dict[str, Any] = {"kind": "search", "event_id": "e2", "event_time": TIME, "session_id": "s1", "query": "boots"}
PURCHASE: dict[str, Any] = {**VIEW, "kind": "purchase", "order_id": "o1", "price_cents": 1999, "currency": "EUR"}
EXPOSURE: dict[str, Any] = {
    "kind": "exposure", "event_id": "e3", "event_time": TIME, "user_id": "u1", "slate_id": "sl1", "item_ids": ["i1"],
}  # fmt: skip
UPSERT: dict[str, Any] = {"kind": "item_upsert", "event_id": "e4", "event_time": TIME, "item_id": "i1"}
STOCK: dict[str, Any] = {"kind": "stock_change", "event_id": "e5", "event_time": TIME, "item_id": "i1", "stock": 3}
KINDS = (
    "'view', 'click', 'search', 'add_to_cart', 'remove_from_cart', 'add_to_wishlist', 'remove_from_wishlist', "
    "'begin_checkout', 'purchase', 'payment', 'refund', 'survey_answer', 'exposure', 'item_upsert', 'item_delete', "
    "'stock_change'"
)


def but(event: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The event with some fields set; those set to ... are left out."""
    return {name: value for name, value in {**event, **changes}.items() if value is not ...}


VALID = {
    "a view of a known user": VIEW,
    "a view in an anonymous session": but(VIEW, user_id=..., session_id="s1"),
    "a view that brings category, brand and price": but(
        VIEW, category=["Shoes", "Running"], brand="Ede", price_cents=8900, currency="EUR"
    ),
    "a view with its context": but(
        VIEW, context={"device": "mobile", "country": "DE", "page": "/i1", "slate_id": "sl1", "position": 0}
    ),
    "an empty context": but(VIEW, context={}),
    "a time with an offset": but(VIEW, event_time="2026-11-22T09:00:00+01:00"),
    "a time to the microsecond": but(VIEW, event_time="2026-11-22T08:00:00.000001Z"),
    "the first microsecond after 1970": but(VIEW, event_time="1970-01-01T00:00:00.000001Z"),
    "ids in any script": but(VIEW, user_id="Jürgen Ö.", item_id="靴-42 ✓"),
    "an id of 128 characters": but(VIEW, item_id="ä" * 128),
    "a click": but(VIEW, kind="click"),
    "an addition to the cart": but(VIEW, kind="add_to_cart", quantity=2),
    "a removal from the cart": but(VIEW, kind="remove_from_cart"),
    "an addition to the wish list": but(VIEW, kind="add_to_wishlist"),
    "a removal from the wish list": but(VIEW, kind="remove_from_wishlist"),
    "a purchase": PURCHASE,
    "a purchase without a price": but(PURCHASE, price_cents=..., currency=...),
    "a purchase for nothing": but(PURCHASE, price_cents=0),
    "a search": SEARCH,
    "a search that found nothing": but(SEARCH, result_count=0),
    "a begun checkout": but(
        VIEW, kind="begin_checkout", item_id=..., item_ids=["i1", "i2"], value_cents=1, currency="USD"
    ),
    "a captured payment": but(VIEW, kind="payment", item_id=..., order_id="o1", status="captured", amount_cents=5),
    "the refund of a whole order": but(VIEW, kind="refund", item_id=..., order_id="o1"),
    "the refund of one item": but(VIEW, kind="refund", order_id="o1", quantity=1, price_cents=10, currency="EUR"),
    "a survey answer": but(
        VIEW, kind="survey_answer", item_id=..., survey_id="s", question_id="q", answer="", rating=10
    ),
    "an exposure": EXPOSURE,
    "an item of which only the id is known": UPSERT,
    "a whole item": but(
        UPSERT,
        title="Trail shoe",
        category=["Shoes", "Running"],
        brand="Ede",
        price_cents=8900,
        currency="EUR",
        attributes={"colour": "red", "weight_g": 240, "drop_mm": 4.5, "vegan": True},
        image_url="https://shop.example/i1.jpg",
        page_url="https://shop.example/i1",
        tags=["new", "trail"],
    ),
    "an item no longer sold": but(UPSERT, kind="item_delete"),
    "stock that ran out": but(STOCK, stock=0),
}

INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "no kind": (but(VIEW, kind=...), "event.kind: Field required"),
    "an unknown kind": (
        but(VIEW, kind="wink"),
        f"event.kind: must be one of {KINDS}; got 'wink'",
    ),
    "no event id": (but(VIEW, event_id=...), "view.event_id: Field required"),
    "an empty event id": (
        but(VIEW, event_id=""),
        "view.event_id: String should have at least 1 character; got ''",
    ),
    "an id that is a number": (but(VIEW, item_id=7), "view.item_id: Input should be a valid string; got 7"),
    "an id that begins with a space": (
        but(VIEW, user_id=" u1"),
        "view.user_id: String should match pattern "
        r"'^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$'; got ' u1'",
    ),
    "an id that ends in a line feed": (
        but(VIEW, item_id="i1\n"),
        "view.item_id: String should match pattern "
        r"'^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$'; got 'i1\n'",
    ),
    "an id with a null character": (
        but(VIEW, session_id="s\0"),
        "view.session_id: String should match pattern "
        r"'^[^\x00-\x20\x7f](?:[^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$'; got 's\x00'",
    ),
    "an id of 129 characters": (
        but(VIEW, item_id="x" * 129),
        f"view.item_id: String should have at most 128 characters; got '{'x' * 78}…",
    ),
    "no item": (but(VIEW, item_id=...), "view.item_id: Field required"),
    "a session id that stands for a known user": (
        but(VIEW, session_id="user:u1"),
        "view.session_id: must not begin with 'user:', which names the sessions of known users; got 'user:u1'",
    ),
    "neither user nor session": (
        but(VIEW, user_id=...),
        "view: at least one of user_id and session_id is required; got an object",
    ),
    "no time": (but(VIEW, event_time=...), "view.event_time: Field required"),
    "a time without an offset": (
        but(VIEW, event_time="2026-11-22T08:00:00"),
        "view.event_time: Input should have timezone info; got '2026-11-22T08:00:00'",
    ),
    "a time that is a number": (
        but(VIEW, event_time=1700000000),
        "view.event_time: must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00; got 1700000000",
    ),
    "a time that is a number in quotes": (
        but(VIEW, event_time="20261122"),
        "view.event_time: must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00; got '20261122'",
    ),
    "a time in words": (
        but(VIEW, event_time="yesterday"),
        "view.event_time: must be ISO 8601 with an offset, such as 2026-11-22T09:30:00+01:00; got 'yesterday'",
    ),
    "a day that does not exist": (
        but(VIEW, event_time="2026-02-30T08:00:00Z"),
        "view.event_time: Input should be a valid datetime or date, day value is outside expected range; "
        "got '2026-02-30T08:00:00Z'",
    ),
    "a time of 0": (
        but(VIEW, event_time="1970-01-01T00:00:00Z"),
        "view.event_time: must lie after 1970-01-01T00:00:00Z; got '1970-01-01T00:00:00Z'",
    ),
    "a time that no calendar reaches in UTC": (
        but(VIEW, event_time="9999-12-31T23:59:59-05:00"),
        "view.event_time: must lie before the year 10000 in UTC; got '9999-12-31T23:59:59-05:00'",
    ),
    "a misspelt field": (
        but(VIEW, colour="red"),
        "view.colour: Extra inputs are not permitted; got 'red'",
    ),
    "a misspelt field of the context": (
        but(VIEW, context={"devise": "mobile"}),
        "view.context.devise: Extra inputs are not permitted; got 'mobile'",
    ),
    "a country by its name": (
        but(VIEW, context={"country": "Germany"}),
        "view.context.country: String should match pattern '^[A-Z]{2}$'; got 'Germany'",
    ),
    "a position before the first": (
        but(VIEW, context={"position": -1}),
        "view.context.position: Input should be greater than or equal to 0; got -1",
    ),
    "a negative price": (
        but(PURCHASE, price_cents=-5),
        "purchase.price_cents: Input should be greater than or equal to 0; got -5",
    ),
    "a price in whole units": (
        but(PURCHASE, price_cents=19.99),
        "purchase.price_cents: Input should be a valid integer; got 19.99",
    ),
    "a price as text": (
        but(PURCHASE, price_cents="1999"),
        "purchase.price_cents: Input should be a valid integer; got '1999'",
    ),
    "a price without a currency": (
        but(PURCHASE, currency=...),
        "purchase: currency is required where price_cents is given; got an object",
    ),
    "a currency in small letters": (
        but(PURCHASE, currency="eur"),
        "purchase.currency: String should match pattern '^[A-Z]{3}$'; got 'eur'",
    ),
    "a quantity of nothing": (
        but(PURCHASE, quantity=0),
        "purchase.quantity: Input should be greater than or equal to 1; got 0",
    ),
    "a purchase without its order": (but(PURCHASE, order_id=...), "purchase.order_id: Field required"),
    "an unknown state of a payment": (
        but(VIEW, kind="payment", item_id=..., order_id="o1", status="lost"),
        "payment.status: Input should be 'authorised', 'captured' or 'failed'; got 'lost'",
    ),
    "an empty search": (
        but(SEARCH, query=""),
        "search.query: String should have at least 1 character; got ''",
    ),
    "more results than any shop has": (
        but(SEARCH, result_count=10**30),
        f"search.result_count: Input should be less than or equal to 1000000000; got {10**30}",
    ),
    "an empty slate": (
        but(EXPOSURE, item_ids=[]),
        "exposure.item_ids: Tuple should have at least 1 item after validation, not 0; got []",
    ),
    "a rating off the scale": (
        but(VIEW, kind="survey_answer", item_id=..., survey_id="s", question_id="q", answer="a", rating=11),
        "survey_answer.rating: Input should be less than or equal to 10; got 11",
    ),
    "a category as text": (
        but(UPSERT, category="Shoes"),
        "item_upsert.category: Input should be a valid array; got 'Shoes'",
    ),
    "a category whose name holds the separator": (
        but(UPSERT, category=["Shoes > Running"]),
        r"item_upsert.category.0: String should match pattern '^[^>\x00-\x1f]+$'; got 'Shoes > Running'",
    ),
    "a shopper in the catalogue": (
        but(UPSERT, user_id="u1"),
        "item_upsert.user_id: Extra inputs are not permitted; got 'u1'",
    ),
    "a negative stock": (
        but(STOCK, stock=-1),
        "stock_change.stock: Input should be greater than or equal to 0; got -1",
    ),
    "stock that is true": (but(STOCK, stock=True), "stock_change.stock: Input should be a valid integer; got True"),
    "two faults": (
        but(PURCHASE, quantity=0, order_id=...),
        "purchase.order_id: Field required | purchase.quantity: Input should be greater than or equal to 1; got 0",
    ),
}

UNREADABLE = {
    "nothing": (b"", "event: Invalid JSON: EOF while parsing a value at line 1 column 0"),
    "half an object": (b'{"kind":"view"', "event: Invalid JSON: EOF while parsing an object at line 1 column 14"),
    "a text of another encoding": (
        '{"kind":"view","event_id":"ä"}'.encode("latin-1"),
        "event: Invalid JSON: invalid unicode code point at line 1 column 28",
    ),
    "half a surrogate pair": (
        b'{"kind":"view","event_id":"\\ud800"}',
        "event: Invalid JSON: unexpected end of hex escape at line 1 column 34",
    ),
    "a list": (b"[]", "event: Input should be an object; got []"),
    "null": (b"null", "event: Input should be an object; got None"),
    "brackets without end": (b"[" * 100_000, "event: Invalid JSON: recursion limit exceeded at line 1 column 202"),
}


@pytest.mark.parametrize("name", VALID)
def test_is_accepted_and_comes_back_from_its_own_json(name: str) -> None:
    event = decode_event(json.dumps(VALID[name]))

    assert event.kind == VALID[name]["kind"]
    assert decode_event(encode_event(event)) == event


@pytest.mark.parametrize("name", INVALID)
def test_is_refused_with_field_rule_and_value(name: str) -> None:
    event, reason = INVALID[name]

    with pytest.raises(InvalidEvent) as refusal:
        decode_event(json.dumps(event))
    assert str(refusal.value) == reason


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_not_an_object_in_json_is_refused(name: str) -> None:
    payload, reason = UNREADABLE[name]

    with pytest.raises(InvalidEvent) as refusal:
        decode_event(payload)
    assert str(refusal.value) == reason


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", str(2**53 + 1)])
def test_a_number_that_json_does_not_hold_is_refused(number: str) -> None:
    payload = json.dumps(but(UPSERT, attributes={"weight": 0})).replace("0}", f"{number}}}")

    with pytest.raises(InvalidEvent, match="attributes"):
        decode_event(payload)


def test_at_most_five_faults_are_told() -> None:
    event = but(VIEW, a=1, b=2, c=3, d=4, e=5, f=6, g=7)

    with pytest.raises(InvalidEvent) as refusal:
        decode_event(json.dumps(event))
    assert str(refusal.value).count("Extra inputs") == 5
    assert str(refusal.value).endswith(" | and 2 more")


def test_offsets_become_utc() -> None:
    event = decode_event(json.dumps(but(VIEW, event_time="2026-11-22T01:30:00.25-06:30")))

    assert event.event_time == datetime(2026, 11, 22, 8, 0, 0, 250_000, tzinfo=UTC)
    assert event.event_time.utcoffset() == timedelta(0)
    assert encode_event(event).count(b"2026-11-22T08:00:00.250000Z") == 1


def test_the_json_leaves_out_what_is_empty() -> None:
    assert json.loads(encode_event(decode_event(json.dumps(VIEW)))) == but(VIEW, category=[])


def test_an_event_cannot_be_changed() -> None:
    event = decode_event(json.dumps(VIEW))

    with pytest.raises(ValueError, match="Instance is frozen"):
        event.event_id = "e2"


@pytest.mark.parametrize(
    ("event", "key"),
    [
        (VIEW, "u1"),
        (but(VIEW, session_id="s1"), "u1"),
        (but(VIEW, user_id=..., session_id="s1"), "s1"),
        (STOCK, "i1"),
    ],
)
def test_events_of_one_shopper_or_one_item_share_their_partition_key(event: dict[str, Any], key: str) -> None:
    assert decode_event(json.dumps(event)).partition_key == key


def test_a_clock_may_run_five_minutes_ahead_and_no_more() -> None:
    now = datetime(2026, 11, 22, 7, 55, tzinfo=UTC)
    event = decode_event(json.dumps(VIEW))

    refuse_future(event, now)
    with pytest.raises(InvalidEvent) as refusal:
        refuse_future(event, now - timedelta(microseconds=1))
    assert str(refusal.value) == (
        "view.event_time: must not be more than 5 minutes ahead of the server's clock; got 2026-11-22T08:00:00+00:00"
    )


def kinds_of(base: type[Event]) -> set[str]:
    """The kinds of all classes below ``base`` that are kinds."""
    found = {kind for below in base.__subclasses__() for kind in kinds_of(below)}
    return found | {str(base.model_fields["kind"].default)} if "kind" in base.model_fields else found


def test_the_published_schema_has_every_kind_and_closes_every_object() -> None:
    schema = EVENT.json_schema()
    objects = {name: body for name, body in schema["$defs"].items() if body.get("type") == "object"}

    assert set(schema["discriminator"]["mapping"]) == kinds_of(Event)
    assert len(kinds_of(Event)) == 16
    assert [name for name, body in objects.items() if body["additionalProperties"] is not False] == []


def test_the_published_schema_says_what_a_time_is() -> None:
    event_time = EVENT.json_schema()["$defs"][View.__name__]["properties"]["event_time"]

    assert (event_time["type"], event_time["format"]) == ("string", "date-time")
    assert "ISO 8601 with an offset" in event_time["description"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b" " * 2_097_153, "event: must not be longer than 2,097,152 bytes; got 2,097,153"),
        (
            json.dumps({**UPSERT, "tags": [1] * 1_001}).encode(),
            "event: must not break a rule in more than 1,000 places; got 1,001",
        ),
        (
            json.dumps({**VIEW, "x" * 1_000_000: 1}).encode(),
            f"view.{'x' * 154}…: Extra inputs are not permitted; got 1",
        ),
        (
            json.dumps({**VIEW, "\x1b[2J": 1}).encode(),
            r"view.\x1b[2J: Extra inputs are not permitted; got 1",
        ),
        (b'{"kind":' + b"[" * 1_000_000, "event: Invalid JSON: recursion limit exceeded at line 1 column 209"),
        (b'{"n":' + b"9" * 100_000 + b"}", "event: Invalid JSON: number out of range at line 1 column 4307"),
    ],
    ids=["too long", "too many problems", "a long name", "a name that steers terminals", "deep", "a long number"],
)
def test_the_reason_stays_short_whatever_comes(payload: bytes, reason: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        decode_event(payload)

    assert str(caught.value) == reason

"""The published JSON Schema says what the event rules say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cli.schema import event_schema, run
from recommender.events import InvalidEvent, decode_event

TIME = "2026-01-02T03:04:05Z"
VIEW = {"kind": "view", "event_id": "e", "event_time": TIME, "user_id": "u", "item_id": "i"}


def is_valid(event: dict[str, Any]) -> tuple[bool, bool]:
    """By the schema, and by the event rules."""
    try:
        decode_event(json.dumps(event))
    except InvalidEvent:
        return Draft202012Validator(event_schema()).is_valid(event), False
    return Draft202012Validator(event_schema()).is_valid(event), True


def test_the_command_prints_one_valid_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    schema = json.loads(capsys.readouterr().out)
    Draft202012Validator.check_schema(schema)
    assert (schema["$id"], schema["title"]) == ("urn:liveshelf:event", "Liveshelf event")
    assert schema == event_schema()


def test_every_kind_stands_in_it_once() -> None:
    properties = [definition["properties"] for definition in event_schema()["$defs"].values()]
    kinds = " ".join(sorted(fields["kind"]["const"] for fields in properties if "kind" in fields))
    assert kinds == (
        "add_to_cart add_to_wishlist begin_checkout click exposure item_delete item_upsert payment purchase refund "
        "remove_from_cart remove_from_wishlist search stock_change survey_answer view"
    )


@pytest.mark.parametrize(
    "event",
    [
        VIEW,
        {**VIEW, "session_id": "s", "context": {"device": "mobile", "country": "NL", "position": 0}},
        {**VIEW, "kind": "purchase", "order_id": "o", "price_cents": 5, "currency": "EUR", "quantity": 2},
        {"kind": "search", "event_id": "e", "event_time": TIME, "session_id": "s", "query": "boots"},
        {"kind": "item_upsert", "event_id": "e", "event_time": TIME, "item_id": "i", "category": ["A", "B"]},
        {"kind": "stock_change", "event_id": "e", "event_time": TIME, "item_id": "i", "stock": 0},
    ],
)
def test_what_the_rules_accept_the_schema_accepts(event: dict[str, Any]) -> None:
    assert is_valid(event) == (True, True)


@pytest.mark.parametrize(
    "event",
    [
        {name: value for name, value in VIEW.items() if name != "kind"},
        {name: value for name, value in VIEW.items() if name != "item_id"},
        {name: value for name, value in VIEW.items() if name != "user_id"},
        {**VIEW, "kind": "look"},
        {**VIEW, "colour": "red"},
        {**VIEW, "item_id": " i"},
        {**VIEW, "price_cents": -1, "currency": "EUR"},
        {**VIEW, "context": {"position": -1}},
        {**VIEW, "context": {"country": "nl"}},
        {"kind": "stock_change", "event_id": "e", "event_time": TIME, "item_id": "i", "stock": "3"},
    ],
)
def test_what_the_rules_refuse_the_schema_refuses(event: dict[str, Any]) -> None:
    assert is_valid(event) == (False, False)

"""The rules of the events' columns in the history."""

from __future__ import annotations

import re

import pytest

from recommender.features import implicit_session
from validation.event_rules import field_rules, item_kinds, kinds


def test_all_kinds_of_shopper_events_are_known_and_those_of_the_catalogue_are_not() -> None:
    assert {"view", "purchase", "exposure", "survey_answer"} <= set(kinds())
    assert not {"item_upsert", "stock_change"} & set(kinds())


def test_events_about_an_item_are_told_from_the_others() -> None:
    assert {"view", "click", "add_to_cart", "purchase"} <= set(item_kinds())
    assert not {"search", "refund", "payment"} & set(item_kinds())


def test_numbers_have_the_bounds_of_the_definitions_and_room_for_the_unknown_price() -> None:
    rules = field_rules()
    assert (rules["price_cents"].minimum, rules["price_cents"].maximum) == (-1, 10**12)
    assert (rules["quantity"].minimum, rules["quantity"].maximum) == (1, 1_000_000)


@pytest.mark.parametrize(
    ("country", "allowed"), [("DE", True), ("", True), ("de", False), ("DEU", False), (" ", False)]
)
def test_texts_have_the_form_of_the_definitions_or_are_empty(country: str, allowed: bool) -> None:
    pattern = field_rules()["country"].pattern
    assert pattern is not None
    assert bool(re.search(pattern, country)) is allowed


def test_the_implicit_session_of_the_longest_user_id_fits() -> None:
    longest = "u" * 128
    assert field_rules()["session_id"].most_length == len(implicit_session(longest))


def test_an_event_id_must_not_be_empty() -> None:
    rule = field_rules()["event_id"]
    assert rule.least_length == 1
    assert not re.search(rule.pattern or "", "")

"""What an answer says of its items is JSON, whatever their scores and names are."""

from __future__ import annotations

import math

import orjson
import pytest

from api.rendering import Rendering
from recommender.serving.item_table import ItemTable
from recommender.serving.request import Slate, SlateItem


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.1234567, b"0.123457"), (-0.0, b"-0.0"), (1e-6, b"1e-6"), (math.inf, b"null"), (math.nan, b"null")],
)
def test_a_score_is_json_whatever_it_is(score: float, text: bytes) -> None:
    item_id = 'a"\u2028\x01é'
    table = ItemTable()
    table._place(item_id)
    body = Rendering(table).body("home", Slate([SlateItem(0, score, "model")], None, None), 0, None)
    assert b'"score":' + text + b"," in body
    assert orjson.loads(b"{" + body)["items"][0]["item_id"] == item_id

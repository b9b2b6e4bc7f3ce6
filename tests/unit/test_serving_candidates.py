"""Where candidates come from: what the parts of a model lead to, and what is new."""

from __future__ import annotations

import numpy as np
import pytest

from recommender.model.links import Links
from recommender.model.parts import Parts
from recommender.model.visits import Visits
from recommender.serving.candidates import Candidates, by_links, by_newness, by_visits, lately
from recommender.serving.interest import Look
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from tests.spec.test_slate import DAY_US, NOW_US, activity, catalogue
from tests.unit.serving_fakes import FakeModel

MODEL_ITEMS = ["a", "b", "c", "d", "e"]
LINKS = Links(np.array([0, 3, 4, 4, 4, 5]), np.array([1, 2, 4, 2, 0], np.int32), np.array([3, 1, 2, 8, 1], np.float32))
"""a leads to b, c and e; b to c; e to a."""


@pytest.fixture
def table() -> ItemTable:
    """A shop that has lost an item of the model, c, and has one that the model does not know."""
    table, model = ItemTable(), FakeModel(MODEL_ITEMS)
    model.parts = Parts(followers=LINKS)
    for item_id in ("new", "e", "d", "b", "a"):
        table.put(item_id, catalogue(item_id, "A", 1), None)
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    return table


def told(table: ItemTable, found: Candidates) -> dict[str, float]:
    scores = dict(zip([table.ids[row] for row in found.rows.tolist()], found.scores.tolist(), strict=True))
    assert len(scores) == len(found.rows)
    return scores


def test_links_lead_to_what_the_shop_still_has_the_strongest_first(table: ItemTable) -> None:
    assert table.vectors is not None
    found = by_links(table.vectors, LINKS, {"a": 1.0, "e": 0.5, "new": 9.0}, "followers")

    assert list(told(table, found).items()) == [("b", 3.0), ("e", 2.0), ("a", 0.5)]
    assert found.source == "followers"


@pytest.mark.parametrize("items", [{}, {"new": 1.0}, {"nowhere": 1.0}, {"d": 1.0}])
def test_items_that_lead_nowhere_or_are_not_known_give_no_candidates(table: ItemTable, items: dict[str, float]) -> None:
    assert table.vectors is not None
    assert told(table, by_links(table.vectors, LINKS, items, "linear")) == {}


def test_the_latest_item_counts_most_among_the_visits_most_alike(table: ItemTable) -> None:
    assert table.vectors is not None
    visits = Visits(np.array([0, 2, 4]), np.array([0, 3, 1, 4], np.int32), np.array([10, 20]))

    found = told(table, by_visits(table.vectors, visits, ["new", "a", "b"], "visits"))

    assert found["d"] == pytest.approx(2 * found["e"])
    assert found.keys() == {"a", "b", "d", "e"}
    assert told(table, by_visits(table.vectors, Parts().visits, ["a"], "visits")) == {}


def test_items_of_one_instant_weigh_alike_and_instants_fall_off() -> None:
    looked = {"a": Look(90, 1), "b": Look(90, 1), "c": Look(70, 1), "d": Look(60, 1), "e": Look(60, 1)}

    assert lately(looked) == pytest.approx({"a": 1.0, "b": 1.0, "c": 0.6, "d": 0.36, "e": 0.36})
    assert lately({}) == {}


def test_only_the_latest_instants_count_and_no_more_items_than_can_be_asked() -> None:
    assert list(lately({f"i{n}": Look(100 - n, 1) for n in range(20)})) == ["i0", "i1", "i2", "i3", "i4"]
    assert len(lately({f"i{n}": Look(100, 1) for n in range(200)})) == 50


def shop_of_news() -> ItemTable:
    """Items listed some days ago, with some interest over weeks; None for one that the catalogue does not list."""
    table = ItemTable()
    for item_id, days, interest in (
        ("today", 0, 0.0),
        ("yesterday", 1, 1.0),
        ("at once liked", 1, 500.0),
        ("old", 400, 0.0),
        ("unlisted", None, 0.0),
    ):
        about, of_item = catalogue(item_id, "A", 1), activity(item_id, 0.0, [], [])
        about.listed_at_ms = 0 if days is None else (NOW_US - days * DAY_US) // 1_000
        of_item.popularity_score = interest
        table.put(item_id, about, of_item)
    sold_out = catalogue("sold out", "A", 0)
    sold_out.listed_at_ms = NOW_US // 1_000
    table.put("sold out", sold_out, None)
    return table


def test_new_is_what_can_be_sold_was_listed_lately_and_has_met_little_interest_the_newest_first() -> None:
    table = shop_of_news()
    found = by_newness(table, None, NOW_US)

    assert list(told(table, found)) == ["today", "yesterday"]
    assert (found.scores > 0).all()


def test_new_items_that_the_model_places_near_the_shopper_come_first() -> None:
    table, model = shop_of_news(), FakeModel(["yesterday", "old"])
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    liked, unliked = model.item_vectors[0] * 100, -model.item_vectors[0] * 100

    assert next(iter(told(table, by_newness(table, liked, NOW_US)))) == "yesterday"
    assert next(iter(told(table, by_newness(table, unliked, NOW_US)))) == "today"

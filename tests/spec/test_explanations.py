"""Slates and their reasons: each item says why it is where it is, and what was left out says by which rule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from recommender.features.shopper import Shopper
from recommender.model.parts import Parts
from recommender.model.ranker import Ranker, fit_ranker
from recommender.serving.explain import MOST_EXPLAINED, MOST_PARTS
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.matrix import FEATURES
from recommender.serving.recommender import recommend
from recommender.serving.request import Explanation, Slate, SlateRequest, Surface
from recommender.serving.surfaces import Rules, read_book
from tests.spec.test_slate import NOW_US, TRAIL, activity, catalogue, session, shop
from tests.unit.serving_fakes import FakeModel

NOBODY = Shopper(None, [])
KNOWN = Shopper(None, [TRAIL])


def rules_of(text: str, surface: str = "home") -> Rules:
    found = read_book(text).rules(surface, NOW_US / 1e6)
    assert found is not None
    return found


def explained(
    table: ItemTable, request: SlateRequest, rules: Rules | None = None, shopper: Shopper = NOBODY
) -> tuple[dict[str, Explanation], Slate]:
    found = recommend(table, request, shopper, now_us=NOW_US, rules=rules, explain=True)
    assert found.explanations is not None
    pairs = zip(found.items, found.explanations, strict=True)
    return {table.ids[entry.row]: why for entry, why in pairs if why is not None}, found


def large_shop(items: int = 300) -> ItemTable:
    """Items in six categories, the first ones most in demand."""
    table = ItemTable()
    for number in range(items):
        item_id = f"i{number:04}"
        table.put(item_id, catalogue(item_id, f"c{number % 6}", 5), activity(item_id, float(items - number), [], []))
    return table


def with_ranker(table: ItemTable, ranker: object) -> ItemTable:
    model = FakeModel(list(table.ids))
    model.parts = Parts(ranker=ranker)  # type: ignore[arg-type]
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    return table


def test_an_item_behind_a_pin_is_not_told_to_be_behind_a_limit() -> None:
    rules = rules_of("""
surfaces: {home: {most_per_category: null, new_share: 0}}
campaigns: [{name: winter, surfaces: [home], pins: [{item_id: lamp, position: 0}, {item_id: boot, position: 1}]}]
""")

    why, found = explained(shop(), SlateRequest(n=6), rules)

    assert [entry.source for entry in found.items][:2] == ["pinned", "pinned"]
    assert why["lamp"].rules == ["pinned at 0: campaign winter"]
    assert [why[item].rules for item in why if item not in ("lamp", "boot")] == [[]] * 4


def test_an_item_that_a_limit_puts_off_says_how_many_have_overtaken_it() -> None:
    rules = rules_of("surfaces: {home: {most_per_category: 0.1, new_share: 0}}")

    why, _ = explained(shop(), SlateRequest(n=6), rules)

    assert list(why) == ["trail", "tent", "boot", "socks", "road", "stove"]
    assert why["road"].rules == ["behind 3 of lower score, by the limits of category and brand"]
    assert why["stove"].rules == ["behind 2 of lower score, by the limits of category and brand"]
    assert [why[item].rules for item in ("trail", "tent", "boot", "socks")] == [[]] * 4


@pytest.mark.parametrize(
    ("text", "request_", "expected"),
    [
        ("surfaces: {home: {filter: 'category in [\"Shoes\"]'}}", {}, "filter of the surface"),
        ("surfaces: {}", {"filter": 'category in ["Shoes"]'}, "filter of the request"),
        ("age_limits: [{filter: 'item_id == \"tent\"', years: 18}]", {"age": 17}, "limit of age"),
        ("surfaces: {}", {"category": "Shoes"}, "outside of the category"),
    ],
)
def test_what_is_left_out_is_counted_by_the_rule_that_left_it_out(
    text: str, request_: dict[str, object], expected: str
) -> None:
    shopper = Shopper(None, [session([("tent", "Camping")])])

    _, found = explained(shop(), SlateRequest(n=5, **request_), rules_of(text), shopper)  # type: ignore[arg-type]

    assert found.left_out is not None
    assert found.left_out[expected] >= 1
    others = {"filter of the surface", "filter of the request", "limit of age", "outside of the category"} - {expected}
    assert not others & found.left_out.keys()


def test_three_filters_at_once_keep_their_names() -> None:
    rules = rules_of("""
surfaces: {home: {filter: 'item_id != "tent"'}}
age_limits: [{filter: 'item_id == "stove"', years: 18}, {filter: 'item_id == "lamp"', years: 16}]
""")
    shopper = Shopper(None, [session([("tent", "Camping"), ("stove", "Camping"), ("road", "Shoes > Running")])])

    _, found = explained(shop(), SlateRequest(n=5, age=17, filter='item_id != "road"'), rules, shopper)

    assert found.left_out is not None
    names = ("filter of the surface", "filter of the request", "limit of age")
    assert [found.left_out[name] for name in names] == [1, 1, 1]


@pytest.fixture(scope="module")
def ranker() -> Ranker:
    """Fits that like what is in demand, is near in the model, or is of a category that was looked at."""
    draw = np.random.default_rng(1)
    questions = []
    for _ in range(40):
        values = draw.random((60, len(FEATURES))).astype(np.float32)
        values[draw.random(values.shape) < 0.2] = np.nan
        chance = np.nan_to_num(values).mean(axis=1) + 0.3 * np.nan_to_num(values[:, FEATURES.index("trend")])
        questions.append((values, (chance + 0.1 * draw.random(60) > 0.6).astype(np.float32)))
    return fit_ranker(FEATURES, questions, 3, seed=1, threads=1)


def test_base_parts_and_others_add_up_to_the_log_odds_of_the_score(ranker: Ranker) -> None:
    why, found = explained(with_ranker(large_shop(60), ranker), SlateRequest(n=20), None, KNOWN)
    learned = [(entry, each) for entry, each in zip(found.items, why.values(), strict=True) if each.ranker == "learned"]

    assert len(learned) >= 10
    assert len({each.base for _, each in learned}) == 1
    for entry, each in learned:
        assert each.base is not None
        assert each.others is not None
        log_odds = each.base + sum(each.parts.values()) + each.others
        assert 1 / (1 + math.exp(-log_odds)) == pytest.approx(entry.score, abs=1e-3)
        assert len(each.parts) <= MOST_PARTS
    assert any(each.others for _, each in learned)


def test_where_no_ranker_has_learned_there_is_no_base() -> None:
    why, _ = explained(shop(), SlateRequest(n=3), None, KNOWN)

    assert [(each.base, each.others, each.parts) for each in why.values()] == [(None, None, {})] * 3


class Counting:
    """A ranker that notes how many candidates it was asked to explain."""

    features = FEATURES

    def __init__(self) -> None:
        self.asked: list[int] = []

    def scores(self, candidates: np.ndarray) -> np.ndarray:
        return np.linspace(0.1, 0.9, len(candidates))

    def contributions(self, candidates: np.ndarray) -> tuple[np.ndarray, float]:
        self.asked.append(len(candidates))
        return np.zeros_like(candidates, dtype=np.float64), 0.0


def test_of_a_long_ranking_the_first_hundred_are_explained() -> None:
    table, counting = large_shop(), Counting()
    with_ranker(table, counting)
    request = SlateRequest(Surface.RANK, 250, items=tuple(table.ids[:250]))

    found = recommend(table, request, KNOWN, now_us=NOW_US, rules=rules_of("surfaces: {}", "rank"), explain=True)

    assert found.explanations is not None
    assert len(found.items) == len(found.explanations) == 250
    assert all(found.explanations[:MOST_EXPLAINED])
    assert found.explanations[MOST_EXPLAINED:] == [None] * 150
    assert [count <= MOST_EXPLAINED for count in counting.asked] == [True]

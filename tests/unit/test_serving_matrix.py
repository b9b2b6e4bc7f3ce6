"""What the ranker sees of candidates: each column on a small case made by hand."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import pytest

from recommender.features import ItemCatalogue
from recommender.serving.candidates import Candidates
from recommender.serving.interest import Bought, Interest, Look
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.matrix import FEATURES, SOURCES, candidate_matrix
from tests.spec.test_slate import DAY_US, NOW_US, activity
from tests.unit.serving_fakes import FakeModel

NOW_MS = NOW_US // 1_000
MINUTE_MS = 60_000
DAY_MS = DAY_US // 1_000
NOTHING = Interest({}, {}, {}, {}, {}, [], "", 0.0, False)
UNKNOWN = None
"""In a table of expected values, for NaN."""

# item, category, brand, price, days in the catalogue, interest of the day, interest of the month
ITEMS = [
    ("tent", "Camping", "Acme", 8_000, 10, 4.0, 64.0),
    ("stove", "Camping", "Best", 2_000, 0, 16.0, 16.0),
    ("boot", "Shoes", "Acme", 4_000, 300, 0.0, 32.0),
    ("lamp", "", "", -1, None, 1.0, 0.0),
]
IDS = [item_id for item_id, *_ in ITEMS]


def shop() -> ItemTable:
    table = ItemTable()
    for item_id, category, brand, price, days, trend, popularity in ITEMS:
        listed_at_ms = 0 if days is None else NOW_MS - days * DAY_MS
        about = ItemCatalogue(
            item_id, NOW_US, True, 1, price, "EUR", item_id, category, brand, [], "", "", listed_at_ms
        )
        of_item = activity(item_id, trend, [], [])
        of_item.popularity_score = popularity
        table.put(item_id, about, of_item)
    return table


def wishes(**changes: object) -> Interest:
    fields = {name: getattr(NOTHING, name) for name in NOTHING.__struct_fields__}
    return Interest(**fields | changes)


def source(name: str, **scores: float) -> Candidates:
    found = sorted(scores, key=lambda item: -scores[item])
    return Candidates(name, np.array([IDS.index(item) for item in found]), np.array([scores[item] for item in found]))


EVERYTHING = source("popular", **dict.fromkeys(IDS, 1.0))


def seen(
    of_shopper: Interest = NOTHING,
    candidates: Sequence[Candidates] = (EVERYTHING,),
    *,
    table: ItemTable | None = None,
    vector: np.ndarray | None = None,
) -> dict[str, dict[str, float | None]]:
    """Item to feature to value, None for NaN."""
    table = table or shop()
    rows, values, *_ = candidate_matrix(table, of_shopper, [], candidates, vector, NOW_US)
    assert values.dtype == np.float32
    assert values.shape == (len(rows), len(FEATURES))
    return {
        table.ids[row]: {
            name: None if math.isnan(value) else value for name, value in zip(FEATURES, line.tolist(), strict=True)
        }
        for row, line in zip(rows, values, strict=True)
    }


def column(name: str, found: dict[str, dict[str, float | None]]) -> list[float | None]:
    return [found[item][name] for item in IDS]


def test_candidates_are_the_distinct_items_of_all_sources_in_order_of_rows() -> None:
    found = seen(candidates=[source("visits", boot=1.0, tent=2.0), source("recent", boot=1.0), source("linear")])

    assert list(found) == ["tent", "boot"]
    assert seen(candidates=[]) == {}


def test_names_of_columns_are_distinct() -> None:
    assert len(set(FEATURES)) == len(FEATURES)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_is_seen_by_shares_of_its_highest_score_and_by_rank(name: str) -> None:
    found = seen(candidates=[EVERYTHING, source(name, stove=1.0, tent=4.0, boot=2.0)])

    assert column(f"{name}_share", found) == [1.0, 0.25, 0.5, UNKNOWN]
    assert column(f"{name}_rank", found) == [0.0, pytest.approx(math.log2(3)), 1.0, UNKNOWN]


def test_a_source_of_whose_scores_nothing_is_left_has_shares_of_zero() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = seen(candidates=[EVERYTHING, source("also_viewed", stove=0.0, tent=0.0)])

    assert column("also_viewed_share", found) == [0.0, 0.0, UNKNOWN, UNKNOWN]


def test_the_model_is_seen_by_the_distance_to_its_best_candidate_and_by_rank() -> None:
    table, model = shop(), FakeModel(["tent", "stove", "boot"])
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    scores = {"tent": 1.0, "stove": 3.0, "boot": 2.5}
    vector = np.linalg.pinv(model.item_vectors.astype(np.float64)) @ np.array(list(scores.values()))

    found = seen(table=table, vector=vector.astype(np.float32))

    assert column("model_gap", found) == [pytest.approx(-2.0, abs=1e-4), 0.0, pytest.approx(-0.5, abs=1e-4), UNKNOWN]
    assert column("model_rank", found) == [pytest.approx(math.log2(3)), 0.0, 1.0, UNKNOWN]
    assert column("model_gap", seen(table=table)) == [UNKNOWN] * 4


def test_demand_is_seen_in_doublings_below_the_candidate_in_most_demand() -> None:
    assert column("trend", seen()) == [-2.0, 0.0, UNKNOWN, -4.0]
    assert column("popularity", seen()) == [0.0, -2.0, -1.0, UNKNOWN]


def test_age_is_counted_from_the_first_listing() -> None:
    assert column("age_days", seen()) == [10.0, 0.0, 300.0, UNKNOWN]


def test_a_price_is_seen_in_doublings_of_what_the_shopper_usually_looks_at() -> None:
    assert column("price_to_usual", seen(wishes(price_level_cents=4_000.0))) == [1.0, -1.0, 0.0, UNKNOWN]
    assert column("price_to_usual", seen()) == [UNKNOWN] * 4


def test_looks_are_seen_by_place_age_number_and_whether_they_are_of_late() -> None:
    looked = {
        "stove": Look(NOW_MS, 3),
        "gone": Look(NOW_MS - MINUTE_MS, 1),
        "tent": Look(NOW_MS - 7 * MINUTE_MS, 1),
    }
    found = seen(wishes(looked=looked, items={"stove": 1.0}))

    assert column("recent_place", found) == [2.0, 0.0, UNKNOWN, UNKNOWN]
    assert column("recent_minutes", found) == [3.0, 0.0, UNKNOWN, UNKNOWN]
    assert column("looks", found) == [1.0, 3.0, UNKNOWN, UNKNOWN]
    assert column("in_visit", found) == [0.0, 1.0, UNKNOWN, UNKNOWN]


def test_what_is_in_the_cart_is_marked() -> None:
    assert column("in_cart", seen(wishes(cart=["boot", "gone", "lamp"]))) == [UNKNOWN, UNKNOWN, 1.0, 1.0]


def test_purchases_are_seen_by_number_and_by_when_the_next_one_is_due() -> None:
    bought = {
        "lamp": Bought(orders=4, units=9, last_at_ms=NOW_MS - 3 * DAY_MS, interval_days=6.0),
        "gone": Bought(orders=8, units=8, last_at_ms=NOW_MS - 4 * DAY_MS, interval_days=1.0),
        "tent": Bought(orders=1, units=1, last_at_ms=NOW_MS - 5 * DAY_MS, interval_days=0.0),
    }
    found = seen(wishes(bought=bought))

    assert column("orders", found) == [1.0, UNKNOWN, UNKNOWN, 4.0]
    assert column("orders_share", found) == [0.125, UNKNOWN, UNKNOWN, 0.5]
    assert column("units", found) == [1.0, UNKNOWN, UNKNOWN, 9.0]
    assert column("bought_days", found) == [5.0, UNKNOWN, UNKNOWN, 3.0]
    assert column("bought_to_interval", found) == [UNKNOWN, UNKNOWN, UNKNOWN, 0.5]


def test_tastes_are_shares_and_items_without_a_category_or_brand_have_none() -> None:
    tastes = wishes(categories={"Camping": 3.0, "Elsewhere": 1.0}, brands={"Acme": 1.0, "Nobody": 1.0})
    found = seen(tastes)

    assert column("category_weight", found) == [0.75, 0.75, 0.0, UNKNOWN]
    assert column("brand_weight", found) == [0.5, 0.0, 0.5, UNKNOWN]
    assert column("category_weight", seen()) == [UNKNOWN] * 4


@pytest.mark.parametrize(
    ("latest", "expected"),
    [("stove", [1.0, 1.0, 0.0, 0.0]), ("lamp", [UNKNOWN] * 4), ("gone", [UNKNOWN] * 4)],
)
def test_items_of_the_category_of_the_latest_look_are_marked(latest: str, expected: list[float | None]) -> None:
    looked = {latest: Look(NOW_MS, 1), "boot": Look(NOW_MS - MINUTE_MS, 1)}

    assert column("same_category", seen(wishes(looked=looked))) == expected


def test_what_is_said_of_the_shopper_is_the_same_for_all_candidates() -> None:
    of_shopper = wishes(
        items={"tent": 1.0, "boot": 0.7},
        looked={name: Look(NOW_MS - 3 * MINUTE_MS, 1) for name in ("tent", "boot", "gone")},
        bought={"gone": Bought(5, 5, 0, 0.0), "lamp": Bought(2, 2, 0, 0.0)},
        known_user=True,
    )
    expected = {
        "visit_items": 2.0,
        "known_items": 3.0,
        "bought_items": 2.0,
        "orders_most": 5.0,
        "idle_minutes": 2.0,
        "known_user": 1.0,
        "hour": 8.0,  # 1,800,000,000 s after 1970 it is 8 o'clock
    }
    for of_item in seen(of_shopper).values():
        assert {name: of_item[name] for name in expected} == expected


def test_of_a_stranger_nothing_is_known_but_the_hour() -> None:
    for of_item in seen().values():
        about = {name: of_item[name] for name in ("visit_items", "known_items", "bought_items", "known_user")}
        assert set(about.values()) == {0.0}
        assert of_item["idle_minutes"] is UNKNOWN
        assert of_item["hour"] == 8.0


def test_a_look_from_after_the_request_counts_as_just_now() -> None:
    found = seen(wishes(looked={"tent": Look(NOW_MS + 9 * MINUTE_MS, 1)}))

    assert found["tent"]["recent_minutes"] == 0.0
    assert found["tent"]["idle_minutes"] == 0.0

"""What is known of items and of a shopper in, the slate out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from recommender.features import ItemActivity, ItemCatalogue, SessionFeatures, UserFeatures, aged
from recommender.features.shopper import Shopper
from recommender.model.parts import Parts
from recommender.serving.candidates import by_neighbours
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.matrix import FEATURES
from recommender.serving.recommender import recommend
from recommender.serving.request import Fallback, Slate, SlateRequest, Surface, UnknownCategory, UnknownItem
from tests.unit.serving_fakes import FakeModel

NOW_US = 1_800_000_000_000_000
DAY_US = 86_400_000_000

# item, category, stock, trend, also viewed, also bought
SHOP = [
    ("trail", "Shoes > Running", 5, 9.0, ["road"], ["socks"]),
    ("road", "Shoes > Running", 5, 8.0, ["trail"], []),
    ("sprint", "Shoes > Running", 0, 99.0, ["trail"], []),
    ("boot", "Shoes > Hiking", 5, 3.0, [], []),
    ("socks", "Clothes", 5, 2.0, [], []),
    ("tent", "Camping", 5, 7.0, ["stove"], ["stove"]),
    ("stove", "Camping", 5, 6.0, ["tent"], []),
    ("lamp", "Camping", -1, 0.0, [], []),
]


def catalogue(item_id: str, category: str, stock: int, feature_time_us: int = NOW_US) -> ItemCatalogue:
    return ItemCatalogue(
        item_id, feature_time_us, stock != 0, stock, 1_000, "EUR", f"The {item_id}", category, "", [], "", "", 0
    )


def activity(
    item_id: str, trend: float, viewed: Sequence[str], bought: Sequence[str], feature_time_us: int = NOW_US
) -> ItemActivity:
    scores = [float(10 - place) for place in range(10)]
    return ItemActivity(
        item_id,
        feature_time_us,
        *[0] * 9,
        0.0,
        trend,
        trend,
        list(viewed),
        scores[: len(viewed)],
        list(bought),
        scores[: len(bought)],
        [],
    )


def session(
    looks: Sequence[tuple[str, str]] = (), cart: Sequence[str] = (), feature_time_us: int = NOW_US
) -> SessionFeatures:
    """A session that looked at items (id, category), the latest first, a minute apart."""
    at_ms = feature_time_us // 1_000
    return SessionFeatures(
        "s",
        feature_time_us,
        "",
        at_ms,
        0.0,
        len(looks),
        len(looks),
        1,
        [item for item, _ in looks],
        [at_ms - 60_000 * place for place in range(len(looks))],
        [category for _, category in looks],
        [],
        list(cart),
        "",
        "",
    )


def shop() -> ItemTable:
    table = ItemTable()
    for item_id, category, stock, trend, viewed, bought in SHOP:
        table.put(item_id, catalogue(item_id, category, stock), activity(item_id, trend, viewed, bought))
    return table


def slate(
    request: SlateRequest, *sessions: SessionFeatures, user: UserFeatures | None = None, table: ItemTable | None = None
) -> tuple[list[str], Slate]:
    table = table or shop()
    found = recommend(table, request, Shopper(user, list(sessions)), now_us=NOW_US)
    return [table.ids[entry.row] for entry in found.items], found


def test_without_a_shopper_items_in_demand_come_first_and_sold_out_ones_never() -> None:
    items, found = slate(SlateRequest(Surface.HOME, 10))

    assert items == ["trail", "road", "tent", "stove", "boot", "socks", "lamp"]
    assert found.fallback is Fallback.UNKNOWN_SHOPPER
    assert found.model_version is None


def test_a_slate_is_as_long_as_asked() -> None:
    items, _ = slate(SlateRequest(Surface.HOME, 3))

    assert items == ["trail", "road", "tent"]


def test_the_neighbours_and_the_category_of_the_latest_item_lead_the_slate() -> None:
    items, found = slate(SlateRequest(Surface.HOME, 3), session([("stove", "Camping")]))

    assert set(items[:2]) == {"tent", "stove"}
    assert found.fallback is Fallback.NO_MODEL


def test_a_click_on_another_category_turns_the_slate() -> None:
    before, _ = slate(SlateRequest(Surface.HOME, 3), session([("trail", "Shoes > Running")]))
    after, _ = slate(SlateRequest(Surface.HOME, 3), session([("tent", "Camping"), ("trail", "Shoes > Running")]))

    assert before == ["road", "trail", "socks"]
    assert after[:2] == ["stove", "tent"]


def test_excluded_items_are_left_out_and_on_the_cart_and_similar_surfaces_those_in_the_cart() -> None:
    request = SlateRequest(Surface.CART, 10, exclude=frozenset({"tent"}))
    cart = session(cart=["trail"])

    assert sorted(slate(request, cart)[0]) == ["boot", "lamp", "road", "socks", "stove"]
    assert "trail" not in slate(SlateRequest(Surface.SIMILAR, 10, item_id="road"), cart)[0]
    assert "trail" in slate(SlateRequest(Surface.HOME, 10), cart)[0]


def test_a_cart_not_touched_for_a_month_is_no_cart() -> None:
    old = session(cart=["trail"], feature_time_us=NOW_US - 31 * DAY_US)

    items, _ = slate(SlateRequest(Surface.CART, 10), aged(old, NOW_US))

    assert "trail" in items


def test_the_cart_surface_adds_what_is_bought_with_the_cart() -> None:
    items, _ = slate(SlateRequest(Surface.CART, 2), session(cart=["trail"]))

    assert items[0] == "socks"


def test_similar_items_are_neighbours_then_the_same_category() -> None:
    items, found = slate(SlateRequest(Surface.SIMILAR, 2, item_id="tent"))

    assert items == ["stove", "lamp"]
    assert [entry.source for entry in found.items] == ["also_viewed", "category"]


def test_a_sold_out_item_still_has_similar_ones() -> None:
    items, _ = slate(SlateRequest(Surface.SIMILAR, 1, item_id="sprint"))

    assert items == ["trail"]


def test_trending_knows_every_level_of_the_category_tree() -> None:
    assert slate(SlateRequest(Surface.TRENDING, 9, category="Shoes"))[0] == ["trail", "road", "boot"]
    assert slate(SlateRequest(Surface.TRENDING, 9, category="Shoes > Hiking"))[0] == ["boot"]


def test_the_category_surface_stays_in_its_category() -> None:
    items, _ = slate(SlateRequest(Surface.CATEGORY, 9, category="Camping"), session([("trail", "Shoes > Running")]))

    assert sorted(items) == ["lamp", "stove", "tent"]


def test_search_puts_items_that_speak_of_the_query_first() -> None:
    items, found = slate(SlateRequest(Surface.SEARCH, 3, query="a LAMP"), session([("trail", "Shoes > Running")]))

    assert items[0] == "lamp"
    assert found.items[0].source == "search"


def test_trends_of_different_feature_times_are_compared_at_one_instant() -> None:
    table = ItemTable()
    old = NOW_US - 6 * 3_600_000_000
    table.put("old", catalogue("old", "A", 1), activity("old", 3.0, [], [], old))  # worth 1.5 by now
    table.put("new", catalogue("new", "A", 1), activity("new", 2.0, [], []))

    assert slate(SlateRequest(Surface.TRENDING, 2), table=table)[0] == ["new", "old"]


def test_pairs_of_a_neighbour_count_as_of_the_request_whenever_they_were_loaded() -> None:
    month_ago = NOW_US - 28 * DAY_US  # two half-lives
    table = ItemTable()
    for item in ("then", "now", "tent", "lamp"):
        table.put(item, catalogue(item, "", 1), None)
    table.put_activity(activity("then", 0.0, ["tent"], [], month_ago))
    table.put_activity(activity("now", 0.0, ["lamp"], []))

    found = by_neighbours(table, dict.fromkeys(table.rows_of(["then", "now"]), 1.0), "also_viewed", NOW_US)

    scores = dict(zip([table.ids[row] for row in found.rows], found.scores.tolist(), strict=True))
    assert scores["lamp"] == pytest.approx(10 / 12)
    assert scores["tent"] == pytest.approx(2.5 / 4.5)  # 10 pairs, of which a quarter is left


def test_an_item_only_seen_in_events_is_available() -> None:
    table = ItemTable()
    table.put("seen", None, activity("seen", 1.0, [], []))

    assert slate(SlateRequest(Surface.HOME, 2), table=table)[0] == ["seen"]


def test_a_neighbour_that_is_not_loaded_is_not_shown() -> None:
    table = ItemTable()
    table.put("tent", catalogue("tent", "Camping", 1), activity("tent", 1.0, ["ghost"], []))

    assert slate(SlateRequest(Surface.SIMILAR, 5, item_id="tent"), table=table)[0] == []
    assert table.items == 1


def test_unknown_items_and_categories_are_told_apart_from_empty_ones() -> None:
    with pytest.raises(UnknownItem, match="ghost"):
        slate(SlateRequest(Surface.SIMILAR, 5, item_id="ghost"))
    with pytest.raises(UnknownCategory, match="Nowhere"):
        slate(SlateRequest(Surface.TRENDING, 5, category="Nowhere"))


def test_an_empty_shop_gives_an_empty_slate() -> None:
    assert slate(SlateRequest(Surface.HOME, 5), table=ItemTable())[0] == []


def test_a_shopper_who_returns_after_years_is_served_by_what_is_seen_now() -> None:
    returned = session([("boot", ""), ("sandal", "Shoes > Sandals")])
    returned.recent_item_at_ms[1] -= 3 * 365 * 86_400_000
    names, _ = slate(SlateRequest(Surface.HOME, 3), returned)
    assert len(names) == 3


class LastFirst:
    """A ranker that likes the items at the end of the table."""

    def __init__(self, features: tuple[str, ...]) -> None:
        self.features = features

    def scores(self, candidates: np.ndarray) -> np.ndarray:
        return np.arange(len(candidates), dtype=np.float64)


def shop_with(features: tuple[str, ...] | None) -> ItemTable:
    """The shop, with a model that has a ranker of these features, if any."""
    table, model = shop(), FakeModel([item for item, *_ in SHOP])
    if features is not None:
        model.parts = Parts(ranker=LastFirst(features))  # type: ignore[arg-type]
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, table.content_version)
    return table


HOME, CART = SlateRequest(Surface.HOME, 5), SlateRequest(Surface.CART, 5)
CAMPING = SlateRequest(Surface.CATEGORY, 5, category="Camping")
TRAIL = session([("trail", "Shoes > Running")])


def test_the_ranker_decides_on_the_surfaces_that_it_has_learned() -> None:
    learned, unlearned = shop_with(FEATURES), shop_with(None)

    assert slate(HOME, TRAIL, table=learned)[0] == ["lamp", "stove", "tent", "boot", "socks"]
    assert slate(CAMPING, TRAIL, table=learned)[0] == ["lamp", "stove", "tent"]
    assert slate(CART, TRAIL, table=learned) == slate(CART, TRAIL, table=unlearned)


@pytest.mark.parametrize("features", [FEATURES[:-1], (*FEATURES, "another"), FEATURES[::-1]])
def test_a_ranker_of_other_features_is_not_asked(features: tuple[str, ...]) -> None:
    assert slate(HOME, TRAIL, table=shop_with(features)) == slate(HOME, TRAIL, table=shop_with(None))


def test_who_is_unknown_sees_what_is_in_demand_and_not_what_the_ranker_likes() -> None:
    assert slate(HOME, table=shop_with(FEATURES)) == slate(HOME, table=shop_with(None))

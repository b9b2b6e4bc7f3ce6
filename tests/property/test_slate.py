from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features import ItemActivity, ItemCatalogue, SessionFeatures
from recommender.features.shopper import Shopper
from recommender.serving.item_table import ItemTable, best
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest, Surface
from tests.spec.test_slate import NOW_US, activity, catalogue, session
from tests.unit.serving_fakes import FakeModel

IDS = [f"i{number}" for number in range(12)]
CATEGORIES = ["", "A", "A > B", "A > C", "D"]
item_ids = st.sampled_from(IDS)

catalogue_rows = st.builds(
    catalogue,
    item_ids,
    st.sampled_from(CATEGORIES),
    st.integers(-1, 2),
    st.integers(NOW_US, NOW_US + 5),
)
activity_rows = st.builds(
    activity,
    item_ids,
    st.floats(0, 100, allow_subnormal=False),
    st.lists(item_ids, unique=True, max_size=5),
    st.lists(item_ids, unique=True, max_size=5),
    st.integers(NOW_US, NOW_US + 5),
)
shops = st.lists(catalogue_rows | activity_rows, max_size=40)
sessions = st.builds(
    session,
    st.lists(st.tuples(item_ids, st.sampled_from(CATEGORIES)), max_size=6, unique_by=lambda look: look[0]),
    st.lists(item_ids, unique=True, max_size=3),
)


def table_of(rows: list[ItemCatalogue | ItemActivity], with_model: bool) -> ItemTable:
    table = ItemTable()
    if with_model:
        table.vectors = ItemVectors(FakeModel(IDS[:6]))
    for row in rows:
        if isinstance(row, ItemCatalogue):
            table.put_catalogue(row)
        elif table.row_of(row.item_id) is None:
            table.put(row.item_id, None, row)
        else:
            table.put_activity(row)
    return table


@settings(deadline=None, max_examples=150)
@given(
    rows=shops,
    shopper=st.lists(sessions, max_size=2),
    surface=st.sampled_from([Surface.HOME, Surface.TRENDING, Surface.CART, Surface.SEARCH]),
    n=st.integers(1, 15),
    exclude=st.frozensets(item_ids, max_size=3),
    with_model=st.booleans(),
)
def test_a_slate_has_no_duplicates_only_available_items_and_as_many_as_there_are(
    rows: list[ItemCatalogue | ItemActivity],
    shopper: list[SessionFeatures],
    surface: Surface,
    n: int,
    exclude: frozenset[str],
    with_model: bool,
) -> None:
    table = table_of(rows, with_model)
    request = SlateRequest(surface, n, query="the i1", exclude=exclude)

    found = recommend(table, request, Shopper(None, shopper), now_us=NOW_US)

    items = [table.ids[entry.row] for entry in found.items]
    cart = {item for each in shopper for item in each.cart_items} if surface is Surface.CART else set()
    allowed = {
        item
        for item in table.ids
        if (row := table.row_of(item)) is not None and table.available[row] and item not in cart | exclude
    }
    assert len(items) == len(set(items))
    assert set(items) <= allowed
    assert len(items) == min(n, len(allowed))
    if surface is not Surface.HOME:  # where categories and new items have their shares
        assert [entry.score for entry in found.items] == sorted((entry.score for entry in found.items), reverse=True)
    assert recommend(table, request, Shopper(None, shopper), now_us=NOW_US) == found


@settings(deadline=None)
@given(rows=shops, category=st.sampled_from(["A", "A > B", "D"]), n=st.integers(1, 15))
def test_a_category_slate_holds_every_available_item_of_the_category_and_no_other(
    rows: list[ItemCatalogue | ItemActivity], category: str, n: int
) -> None:
    table = table_of(rows, True)
    if not table.has_category(category):
        return
    request = SlateRequest(Surface.CATEGORY, n, category=category)

    found = recommend(table, request, Shopper(None, [session([("i1", "A")])]), now_us=NOW_US)

    expected = {
        item
        for item, row in zip(table.ids, table.catalogue, strict=True)
        if row and row.available and f"{row.category} > ".startswith(f"{category} > ")
    }
    items = [table.ids[entry.row] for entry in found.items]
    assert set(items) <= expected
    assert len(items) == len(set(items)) == min(n, len(expected))


@settings(deadline=None)
@given(rows=shops)
def test_the_item_table_equals_a_recount_of_the_rows_it_took(rows: list[ItemCatalogue | ItemActivity]) -> None:
    table = table_of(rows, False)

    described: dict[str, ItemCatalogue] = {}
    active: dict[str, ItemActivity] = {}
    for row in rows:
        latest = described if isinstance(row, ItemCatalogue) else active
        known = latest.get(row.item_id)
        if known is None or row.feature_time_us >= known.feature_time_us:
            latest[row.item_id] = row
    assert table.items == len(described.keys() | active.keys())
    for item_id in described.keys() | active.keys():
        number = table.row_of(item_id)
        assert number is not None
        assert table.catalogue[number] == described.get(item_id)
        assert table.available[number] == (described[item_id].available if item_id in described else True)
        viewed = active[item_id].also_viewed if item_id in active else []
        assert [table.ids[near] for near in table.also_viewed[number].rows] == viewed
    for category in ("A", "A > B", "A > C", "D"):
        inside = {i for i, row in described.items() if f"{row.category} > ".startswith(f"{category} > ")}
        assert {table.ids[number] for number in table.in_category(category)} == inside


@given(scores=st.lists(st.floats(allow_nan=False), max_size=50), most=st.integers(1, 60))
def test_the_best_places_are_those_of_a_full_sort(scores: list[float], most: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:most]

    assert best(np.array(scores), most).tolist() == expected

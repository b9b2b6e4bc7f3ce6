"""What the feature rows say of a shopper, and what serving takes from them."""

from __future__ import annotations

import pytest

from recommender.features import UserFeatures, UserItems, UserPurchases
from recommender.features.shopper import Shopper
from recommender.serving.interest import Bought, Look, interest
from tests.spec.test_slate import DAY_US, NOW_US, session

NOW_MS = NOW_US // 1_000
MINUTE_MS = 60_000
DAY_MS = DAY_US // 1_000


def user(categories: dict[str, float], brands: dict[str, float] | None = None, price: float = 0.0) -> UserFeatures:
    brands = brands or {}
    lists = (list(categories), list(categories.values()), list(brands), list(brands.values()))
    return UserFeatures("u", NOW_US, *[0] * 12, 0.0, "", price, *lists, [])


def looked_at(*looks: tuple[str, int, int]) -> UserItems:
    """Item, when [ms] and how often, the latest first."""
    return UserItems("u", NOW_US, *(list(column) for column in zip(*looks, strict=True)))


def test_of_a_stranger_nothing_is_known() -> None:
    found = interest(Shopper(None, []))

    assert not found
    assert not found.known_user


def test_later_looks_weigh_more_and_days_between_them_count() -> None:
    close = interest(Shopper(None, [session([("a", "A"), ("b", "B")])]))
    apart = interest(
        Shopper(None, [session([("a", "A")]), session([("b", "B")], feature_time_us=NOW_US - 86_400_000_000)])
    )

    assert close.items["a"] == 1.0
    assert 0.6 < close.items["b"] < 0.7
    assert apart.items["b"] < 0.1
    assert list(close.categories) == ["A", "B"]


def test_an_item_in_two_sessions_counts_at_its_latest_look() -> None:
    both = interest(
        Shopper(None, [session([("a", "A"), ("b", "B")]), session([("b", "B")], feature_time_us=NOW_US + 60_000_000)])
    )

    assert list(both.items) == ["b", "a"]
    assert both.looked["b"] == Look(NOW_MS + MINUTE_MS, 1)


def test_recency_goes_by_the_shoppers_own_latest_look_so_that_years_later_all_weighs_the_same() -> None:
    looks = [("a", "A"), ("b", "B"), ("c", "")]
    now = interest(Shopper(None, [session(looks)]))
    long_ago = interest(Shopper(None, [session(looks, feature_time_us=NOW_US - 3_000 * DAY_US)]))

    assert now.items == long_ago.items
    assert now.categories == long_ago.categories


def test_lasting_taste_weighs_less_than_the_session() -> None:
    found = interest(Shopper(user({"Camping": 3.0, "Shoes": 1.0}), [session([("a", "A")])]))

    assert list(found.categories) == ["A", "Camping", "Shoes"]
    assert found.categories["Camping"] == pytest.approx(0.225)
    assert found.known_user


def test_brands_and_prices_are_those_of_the_known_user() -> None:
    found = interest(Shopper(user({}, {"Acme": 2.0, "Best": 1.0}, 4_999.5), []))

    assert found.brands == {"Acme": 2.0, "Best": 1.0}
    assert found.price_level_cents == 4_999.5


def test_what_a_known_user_looked_at_before_joins_what_the_session_knows_by_time() -> None:
    lasting = looked_at(("b", NOW_MS - MINUTE_MS, 4), ("c", NOW_MS - DAY_MS, 2))
    found = interest(Shopper(None, [session([("a", "A"), ("b", "B")])], lasting))

    assert found.looked == {
        "a": Look(NOW_MS, 1),
        "b": Look(NOW_MS - MINUTE_MS, 4),
        "c": Look(NOW_MS - DAY_MS, 2),
    }
    assert list(found.looked) == ["a", "b", "c"]
    assert list(found.items) == ["a", "b"]


def test_a_later_look_in_another_session_of_the_known_user_is_the_one_that_counts() -> None:
    lasting = looked_at(("b", NOW_MS + MINUTE_MS, 2), ("d", NOW_MS - 30_000, 1), ("a", NOW_MS, 1))
    found = interest(Shopper(None, [session([("a", "A"), ("b", "B")])], lasting))

    assert list(found.looked.items()) == [
        ("b", Look(NOW_MS + MINUTE_MS, 2)),
        ("a", Look(NOW_MS, 1)),
        ("d", Look(NOW_MS - 30_000, 1)),
    ]


def test_a_known_user_without_a_session_is_served_by_what_was_looked_at_before() -> None:
    lasting = looked_at(*((f"i{number}", NOW_MS - number, 1) for number in range(30)))
    found = interest(Shopper(user({}), [], lasting))

    assert list(found.items) == [f"i{number}" for number in range(12)]
    assert list(found.items.values()) == sorted(found.items.values(), reverse=True)
    assert found.items["i0"] == 1.0
    assert len(found.looked) == 30


def test_no_more_than_twelve_items_are_the_recent_ones() -> None:
    found = interest(Shopper(None, [session([(f"i{number}", "") for number in range(20)])]))

    assert list(found.items) == [f"i{number}" for number in range(12)]
    assert len(found.looked) == 20


def test_what_was_bought_stays_in_its_order() -> None:
    purchases = UserPurchases(
        "u", NOW_US, ["milk", "bread"], [3, 1], [7, 1], [NOW_MS - DAY_MS, NOW_MS - 9 * DAY_MS], [3.5, 0.0]
    )
    found = interest(Shopper(user({}), [], None, purchases))

    assert list(found.bought.items()) == [
        ("milk", Bought(3, 7, NOW_MS - DAY_MS, 3.5)),
        ("bread", Bought(1, 1, NOW_MS - 9 * DAY_MS, 0.0)),
    ]
    assert found


def test_cart_and_query_are_those_of_the_sessions_the_latest_first() -> None:
    latest, before = session(cart=["a", "b"]), session(cart=["b", "c"])
    before.recent_queries = ["tent", "lamp"]
    found = interest(Shopper(None, [latest, before]))

    assert found.cart == ["a", "b", "c"]
    assert found.latest_query == "tent"
    assert found

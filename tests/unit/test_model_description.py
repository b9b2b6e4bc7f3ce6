import math

import pytest

from recommender.features import SessionFeatures, UserFeatures, UserItems, UserPurchases
from recommender.features.shopper import Shopper
from recommender.model.description import RECENT_ITEMS, WEIGHTS, describe_item, describe_shopper, group_of, tokens

HOUR_US = 3_600_000_000


def session(
    *items: tuple[int, str, str], session_id: str = "s", queries: tuple[str, ...] = (), **other: str
) -> SessionFeatures:
    """A session with (time in ms, item, category), the latest first."""
    times, names, categories = zip(*items, strict=True) if items else ((), (), ())
    row = SessionFeatures(
        session_id, 1, "", 0, 0.0, 1, 1, 1, list(names), list(times), list(categories), list(queries), [], "", ""
    )
    for name, value in other.items():
        setattr(row, name, value)
    return row


def user(
    user_id: str, categories: dict[str, float] | None = None, brands: dict[str, float] | None = None
) -> UserFeatures:
    categories, brands = categories or {}, brands or {}
    lists = (list(categories), list(categories.values()), list(brands), list(brands.values()))
    return UserFeatures(user_id, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, "", 0.0, *lists, [])


def looked_at(*looks: tuple[int, str]) -> UserItems:
    """What a known user has looked at, as (time in ms, item), the latest first."""
    return UserItems("u", 1, [item for _, item in looks], [at_ms for at_ms, _ in looks], [1] * len(looks))


def bought(*purchases: tuple[int, str]) -> UserPurchases:
    """What a known user has bought, as (time in ms, item), the latest first."""
    ones = [1] * len(purchases)
    items, times = [item for _, item in purchases], [at_ms for at_ms, _ in purchases]
    return UserPurchases("u", 1, items, ones, ones, times, [0.0] * len(purchases))


def group(description: dict[str, float], name: str) -> dict[str, float]:
    return {feature: weight for feature, weight in description.items() if group_of(feature) == name}


def test_each_group_has_its_length_however_many_values_it_has() -> None:
    row = session((3, "a", "X > Y"), (2, "b", "X > Z"), (1, "c", ""), queries=("red boots", "boots"))
    row.cart_items = ["a", "d"]
    known = user("u", {"X > Y": 3.0, "Q": 1.0}, {"b1": 2.0, "b2": 1.0})
    shopper = Shopper(known, [row], looked_at((1, "e")), bought((2, "a"), (1, "b")))
    description = describe_shopper(shopper, now_us=0, device="mobile", country="DE")
    groups = {group_of(feature) for feature in description}
    of_shopper = list(WEIGHTS)[: list(WEIGHTS).index("item")]
    assert groups == set(of_shopper)
    for name in groups:
        length = math.sqrt(sum(weight**2 for weight in group(description, name).values()))
        assert length == pytest.approx(WEIGHTS[name])


def test_the_latest_item_weighs_most_and_items_of_one_instant_weigh_the_same() -> None:
    description = describe_shopper(Shopper(None, [session((9, "new", ""), (5, "b", ""), (5, "a", ""))]), now_us=0)
    assert description["recent=new"] > description["recent=b"] == description["recent=a"]


def test_a_new_click_changes_the_description_markedly() -> None:
    before = describe_shopper(Shopper(None, [session((1, "a", "X"))]), now_us=0)
    after = describe_shopper(Shopper(None, [session((2, "b", "Y"), (1, "a", "X"))]), now_us=0)
    assert after["recent=b"] > after["recent=a"]
    assert after["recent=a"] < 0.6 * before["recent=a"]
    assert after["browsed=Y"] > after["browsed=X"]


def test_sessions_are_merged_by_time_and_each_item_counts_once_at_its_latest_look() -> None:
    explicit = session((30, "a", ""), (10, "b", ""))
    implicit = session((20, "c", ""), (5, "a", ""), session_id="user:u")
    description = describe_shopper(Shopper(None, [explicit, implicit]), now_us=0)
    recent = group(description, "recent")
    assert sorted(recent, key=lambda feature: -recent[feature]) == ["recent=a", "recent=c", "recent=b"]
    assert description == describe_shopper(Shopper(None, [implicit, explicit]), now_us=0)


def test_items_of_a_known_users_other_visits_are_merged_by_time_and_the_session_knows_the_category() -> None:
    lasting = looked_at((20, "old"), (9, "a"), (1, "first"))
    description = describe_shopper(Shopper(None, [session((9, "a", "X"))], lasting), now_us=0)
    recent = group(description, "recent")
    assert sorted(recent, key=lambda feature: -recent[feature]) == ["recent=old", "recent=a", "recent=first"]
    assert set(group(description, "browsed")) == {"browsed=X"}


def test_no_more_items_are_described_than_a_session_keeps() -> None:
    items = [(1_000 - number, f"i{number}") for number in range(100)]
    description = describe_shopper(Shopper(user("u"), [], looked_at(*items)), now_us=0)
    assert "recent=i0" in description
    assert len(group(description, "recent")) <= RECENT_ITEMS


def test_what_was_bought_last_weighs_most_and_lines_of_one_order_weigh_the_same() -> None:
    description = describe_shopper(Shopper(user("u"), [], None, bought((9, "c"), (5, "a"), (5, "b"))), now_us=0)
    assert description["bought=c"] > description["bought=a"] == description["bought=b"]


def test_what_the_request_says_comes_before_what_the_session_says() -> None:
    row = session(queries=("lamp",), device="desktop", country="FR")
    description = describe_shopper(Shopper(None, [row]), now_us=0, device="mobile", query="boots")
    assert "device=mobile" in description
    assert "device=desktop" not in description
    assert "country=FR" in description
    assert description["query=boots"] > description["query=lamp"] > 0


def test_the_hour_is_that_of_the_day_in_utc() -> None:
    assert set(describe_shopper(Shopper(None, []), now_us=49 * HOUR_US + 5)) == {"hour=1"}


def test_a_known_user_is_recognised_by_the_row_or_by_the_session() -> None:
    assert "user=u1" in describe_shopper(Shopper(user("u1"), []), now_us=0)
    assert "user=u2" in describe_shopper(Shopper(None, [session(user_id="u2")]), now_us=0)


def test_all_levels_of_a_category_are_features() -> None:
    item = describe_item("i", "Wear > Shoes > Running", "", -1, "", [])
    assert set(item) == {"item=i", "category=Wear", "category=Wear > Shoes", "category=Wear > Shoes > Running"}


def test_an_item_is_described_by_brand_price_band_title_and_tags() -> None:
    item = describe_item("i", "", "Acme", 4_900, "Boots, red BOOTS", ["sale"])
    assert set(item) == {"item=i", "brand=Acme", "price=13", "title=boots", "title=red", "tag=sale"}


@pytest.mark.parametrize(("cheap", "dear"), [(0, 1), (100, 200), (4_900, 9_800)])
def test_twice_the_price_is_another_price_band(cheap: int, dear: int) -> None:
    bands = [group(describe_item("i", "", "", price, "", []), "price") for price in (cheap, dear)]
    assert bands[0] != bands[1]


def test_tokens_have_one_spelling() -> None:
    assert tokens("\N{FULLWIDTH LATIN CAPITAL LETTER F}ull Straße full STRASSE 3-in-1") == [
        "full",
        "strasse",
        "3",
        "in",
        "1",
    ]

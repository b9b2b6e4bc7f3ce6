"""A shop's own surfaces, campaigns and limits in, the slates that follow them out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec
import pytest

from recommender.features import UserPurchases
from recommender.features.shopper import Shopper
from recommender.serving.recommender import recommend
from recommender.serving.request import Fallback, Slate, SlateRequest, Surface
from recommender.serving.surfaces import AgeLimit, BadSurfaces, Rules, built_in, default_rules, read_book
from recommender.serving.surfaces.names import NameCheck, unknown_names
from tests.spec.test_slate import NOW_US, activity, catalogue, session, shop

NOW_S = NOW_US / 1e6
DAY_MS = 86_400_000
NOW = datetime.fromtimestamp(NOW_S, UTC)


def rules_of(text: str, surface: str = "home") -> Rules:
    found = read_book(text).rules(surface, NOW_S)
    assert found is not None
    return found


def ids(
    request: SlateRequest, rules: Rules | None = None, shopper: Shopper | None = None, hidden: Sequence[str] = ()
) -> list[str]:
    table = shop()
    found = recommend(table, request, shopper or Shopper(None, []), now_us=NOW_US, rules=rules, hidden=hidden)
    return [table.ids[entry.row] for entry in found.items]


def bought(*items: tuple[str, float]) -> Shopper:
    """A user who bought items so many days ago."""
    at_ms = [int(NOW_US / 1_000 - days * DAY_MS) for _, days in items]
    names = [item for item, _ in items]
    ones = [1] * len(items)
    return Shopper(None, [], None, UserPurchases("u", NOW_US, names, ones, ones, at_ms, [0.0] * len(items)))


def test_a_surface_of_the_shops_own_begins_with_the_settings_of_its_kind() -> None:
    book = read_book("surfaces: {banner: {kind: home, size: 3}}")

    banner, home = book.content.surfaces["banner"], book.content.surfaces["home"]

    assert banner == home.model_copy(update={"size": 3})


def test_a_file_changes_what_it_names_and_leaves_the_rest() -> None:
    content = read_book("surfaces: {similar: {cache_seconds: 7}}").content

    assert content.surfaces["similar"].cache_seconds == 7
    assert content.surfaces["similar"].weights == built_in().content.surfaces["similar"].weights
    assert content.surfaces["home"] == built_in().content.surfaces["home"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("surfaces: {home: {cache_seconds: -1}}", "surfaces.home.cache_seconds: "),
        ("surfaces: {home: {weights: {guess: 1}}}", "surfaces.home.weights: must name sources, of "),
        ("surfaces: {home: {colour: red}}", "surfaces.home.colour: "),
        ("surfaces: {banner: {size: 3}}", "surfaces.banner.kind: "),
        ("surfaces: {Banner: {kind: home}}", "surfaces.Banner"),
        ('surfaces: {home: {filter: "price <"}}', "surfaces.home.filter: filter must have a number"),
        ("campaigns: [{name: a, surfaces: [attic]}]", "must name surfaces that there are; got 'attic'"),
        ("campaigns: [{name: a, surfaces: [home], start: 2026-01-02}]", "campaigns.0.start: "),
        (
            "campaigns: [{name: a, surfaces: [home], start: 2026-01-02T00:00:00Z, end: 2026-01-01T00:00:00Z}]",
            "end must be after start",
        ),
        ("age_limits: [{filter: 'price > 1', years: 0}]", "age_limits.0.years: "),
        ("- home", "must be a mapping"),
        ("surfaces: [", "line 1: must be YAML"),
        ("", "must say something; got an empty file"),
        ("# nothing yet\n", "must say something; got an empty file"),
        (
            "age_limits: [{filter: 'price > 1', years: 18}]\nage_limits: []",
            "line 2: must name each key once; got 'age_limits' again",
        ),
        ("surfaces: {home: {size: 3, 'size': 4}}", "line 1: must name each key once; got 'size' again"),
        ("a: &a [x]\nb: [*a, *a]", "line 2: must have no aliases; got *a"),
        ("surfaces: {home: 2026-13-45}", "must be YAML; "),
        ("[" * 100_000, "must be YAML; "),
        ("x" * 1_048_577, "must have at most 1,048,576 bytes; got more"),
        ("campaigns: [{name: a, surfaces: [home]}, {name: a, surfaces: [home]}]", "campaigns: must have different"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_with_the_place_and_the_rule(text: str, problem: str) -> None:
    with pytest.raises(BadSurfaces) as refused:
        read_book(text)

    assert problem in str(refused.value)
    assert "an object" not in str(refused.value)
    assert "event" not in str(refused.value)


def test_a_filter_of_the_request_and_one_of_the_surface_both_hold() -> None:
    rules = rules_of("surfaces: {home: {filter: 'category in [\"Shoes\"]'}}")

    assert set(ids(SlateRequest(n=10), rules)) == {"trail", "road", "boot"}
    assert ids(SlateRequest(n=10, filter='category not in ["shoes > running"]'), rules) == ["boot"]


def test_a_filtered_slate_is_full_while_enough_items_qualify_however_little_anyone_cares_for_them() -> None:
    table = shop()
    for number in range(30):
        table.put(f"rope{number:02}", catalogue(f"rope{number:02}", "Camping > Ropes", 1), None)
    request = SlateRequest(n=20, filter='category in ["Camping > Ropes"]')

    found = recommend(table, request, Shopper(None, [session([("trail", "Shoes > Running")])]), now_us=NOW_US)

    assert len(found.items) == 20
    assert all(table.ids[entry.row].startswith("rope") for entry in found.items)


def test_what_was_bought_lately_is_left_out_for_so_many_days() -> None:
    rules = rules_of("surfaces: {home: {exclude: {bought_days: 30}}}")
    shopper = bought(("tent", 2), ("stove", 29), ("lamp", 31))

    found = ids(SlateRequest(n=10), rules, shopper)

    assert not {"tent", "stove"} & set(found)
    assert "lamp" in found


def test_what_was_seen_or_is_in_the_cart_is_left_out_where_the_surface_says_so() -> None:
    shopper = Shopper(None, [session([("trail", "Shoes > Running")], cart=["tent"])])

    assert "trail" in ids(SlateRequest(n=10), None, shopper)
    assert "trail" not in ids(SlateRequest(n=10), rules_of("surfaces: {home: {exclude: {seen: true}}}"), shopper)
    assert "tent" not in ids(SlateRequest(n=10), rules_of("surfaces: {home: {exclude: {cart: true}}}"), shopper)


def test_hidden_items_are_not_shown_on_any_surface() -> None:
    for surface in Surface:
        request = SlateRequest(surface, 10, item_id="tent", category="Camping", query="stove", items=("stove", "lamp"))
        found = ids(request, None, Shopper(None, [session([("stove", "Camping")])]), hidden=["stove"])
        assert "stove" not in found, surface


def test_a_brand_takes_no_more_than_its_share_while_there_is_something_else() -> None:
    table = shop()
    for number in range(6):
        row = msgspec.structs.replace(catalogue(f"fleet{number}", "Shoes", 5), brand="Fleet")
        table.put(row.item_id, row, activity(row.item_id, 50.0, [], []))
    rules = rules_of("surfaces: {home: {most_per_brand: 0.5, most_per_category: null}}")

    four = recommend(table, SlateRequest(n=4), Shopper(None, []), now_us=NOW_US, rules=rules)
    all_of_it = recommend(
        table, SlateRequest(n=9, filter='brand == "fleet"'), Shopper(None, []), now_us=NOW_US, rules=rules
    )

    assert [table.ids[entry.row] for entry in four.items] == ["fleet0", "fleet1", "trail", "road"]
    assert len(all_of_it.items) == 6, "with nothing else left it takes more"


@pytest.mark.parametrize(("age", "shown"), [(None, False), (17, False), (18, True), (40, True)])
def test_items_with_an_age_limit_are_for_who_is_known_to_be_old_enough(age: int | None, shown: bool) -> None:
    rules = rules_of("age_limits: [{filter: 'item_id == \"tent\"', years: 18}]")

    assert ("tent" in ids(SlateRequest(n=10, age=age), rules)) is shown


def test_an_age_limit_holds_by_whatever_filter_is_accepted() -> None:
    deepest = "not " * 19 + 'item_id == "tent"'
    longest = 'item_id == "tent"'.ljust(2_000)
    for text in (deepest, longest):
        rules = Rules(default_rules(Surface.HOME).surface, (), (AgeLimit(filter=text, years=18),))
        shown = ids(SlateRequest(n=10, age=17), rules)
        assert ("tent" in shown) is (text == deepest)


CAMPAIGN = """
campaigns:
  - name: winter
    surfaces: [home]
    start: {start}
    end: {end}
    pins: [{{item_id: lamp, position: 1}}, {{item_id: sprint, position: 0}}]
    boosts: [{{filter: 'category in ["Clothes"]', factor: 50}}]
"""


def winter(start: float, end: float) -> str:
    start_text, end_text = (datetime.fromtimestamp(NOW_S + shift, UTC).isoformat() for shift in (start, end))
    return CAMPAIGN.format(start=start_text, end=end_text)


def test_a_campaign_pins_and_boosts_between_its_start_and_its_end() -> None:
    during = ids(SlateRequest(n=5), rules_of(winter(-1, 1)))

    assert during[0] == "socks", "boosted to the top; the pinned sprint is sold out"
    assert during[1] == "lamp"
    assert ids(SlateRequest(n=5), rules_of(winter(1, 2))) == ids(SlateRequest(n=5))
    assert ids(SlateRequest(n=5), rules_of(winter(-2, -1))) == ids(SlateRequest(n=5))
    assert ids(SlateRequest(n=5), rules_of(winter(-1, 0))) == ids(SlateRequest(n=5)), (
        "the end is the first instant after"
    )


def test_a_pin_does_not_overrule_what_must_not_be_shown() -> None:
    rules = rules_of(winter(-1, 1))

    assert "lamp" not in ids(SlateRequest(n=5), rules, hidden=["lamp"])
    assert "lamp" not in ids(SlateRequest(n=5, filter='category in ["Shoes"]'), rules)
    assert "lamp" not in ids(SlateRequest(n=5, exclude=frozenset({"lamp"})), rules)


def test_rules_have_another_version_when_the_file_changes_and_when_a_campaign_begins_or_ends() -> None:
    book = read_book(winter(-10, 10))
    versions = [book.version(NOW_S + shift) for shift in (-11, -10, 0, 9.9, 10, 20)]

    assert versions[1] == versions[2] == versions[3]
    assert versions[4] == versions[5]
    assert len({versions[0], versions[1], versions[4], built_in().version(NOW_S)}) == 4


def test_ranking_gives_all_of_the_callers_items_that_can_be_sold_and_no_others() -> None:
    request = SlateRequest(Surface.RANK, 6, items=("lamp", "ghost", "sprint", "stove", "road", "boot"))

    found = ids(request, None, Shopper(None, [session([("trail", "Shoes > Running")])]))

    assert found[0] == "road", "what is viewed with the shopper's item comes first"
    assert sorted(found) == ["boot", "lamp", "road", "stove"]


def test_items_that_nothing_is_known_of_keep_the_callers_order() -> None:
    table = shop()
    for number in range(300):
        table.put(f"rope{number}", catalogue(f"rope{number}", "Ropes", 1), None)
    given = tuple(f"rope{number}" for number in range(299, 199, -1))

    found = recommend(table, SlateRequest(Surface.RANK, 100, items=given), Shopper(None, []), now_us=NOW_US)

    unknown = [table.ids[entry.row] for entry in found.items if entry.source == "given"]
    assert unknown == [item for item in given if item in set(unknown)]
    assert len(found.items) == 100


def test_recently_viewed_shows_what_was_looked_at_the_latest_first_and_nothing_else() -> None:
    looks = [("road", "Shoes > Running"), ("sprint", "Shoes > Running"), ("tent", "Camping")]

    assert ids(SlateRequest(Surface.RECENTLY_VIEWED, 10), None, Shopper(None, [session(looks)])) == ["road", "tent"]
    assert ids(SlateRequest(Surface.RECENTLY_VIEWED, 10)) == []


def test_bought_together_begins_with_what_is_bought_with_the_item() -> None:
    assert ids(SlateRequest(Surface.BOUGHT_TOGETHER, 1, item_id="trail")) == ["socks"]


def test_explanations_name_sources_rules_and_what_was_left_out() -> None:
    table = shop()
    rules = rules_of(winter(-1, 1))
    shopper = Shopper(None, [session([("trail", "Shoes > Running"), ("sprint", "Shoes > Running")])])
    request = SlateRequest(n=6, exclude=frozenset({"road"}))

    found = recommend(table, request, shopper, now_us=NOW_US, rules=rules, explain=True)

    assert found.explanations is not None
    by_item = {table.ids[entry.row]: why for entry, why in zip(found.items, found.explanations, strict=True)}
    assert by_item["lamp"].ranker == "pin"
    assert by_item["lamp"].rules == ["pinned at 1: campaign winter"]
    assert by_item["socks"].rules[0] == "boosted by 50: campaign winter"
    tent = next(score for score in by_item["tent"].sources if score.source == "trending")
    assert tent.points == pytest.approx(tent.share * rules.surface.weights["trending"])
    assert found.left_out is not None
    assert found.left_out["excluded by the request"] == 1
    assert found.left_out["unavailable"] == 1


def test_an_explained_slate_is_the_slate() -> None:
    shopper = Shopper(None, [session([("trail", "Shoes > Running")])])
    for surface in Surface:
        request = SlateRequest(surface, 5, item_id="tent", category="Camping", query="stove", items=("stove", "lamp"))
        plain = recommend(shop(), request, shopper, now_us=NOW_US)
        explained = recommend(shop(), request, shopper, now_us=NOW_US, explain=True)
        assert explained.items == plain.items
        assert explained.explanations is not None
        assert len(explained.explanations) == len(plain.items)


def test_no_store_is_told_whatever_the_surface() -> None:
    found: list[Slate] = [
        recommend(
            shop(), SlateRequest(kind, 2, item_id="tent"), Shopper(None, []), now_us=NOW_US, store_available=False
        )
        for kind in (Surface.HOME, Surface.SIMILAR)
    ]

    assert [each.fallback for each in found] == [Fallback.STORE_UNAVAILABLE] * 2
    assert default_rules(Surface.HOME).surface.kind is Surface.HOME


NAMES = """
surfaces: {home: {filter: 'category == "shoes" and "sale" not in tags'}}
campaigns: [{name: a, surfaces: [home], pins: [{item_id: lamp, position: 0}, {item_id: ghost, position: 1}]}]
age_limits: [{filter: 'category in ["Shoes", "Whine"] or brand == "Fleet" or item_id == "tent"', years: 18}]
"""


def test_what_the_file_names_and_no_item_has_is_told() -> None:
    assert unknown_names(read_book(NAMES), shop()) == [
        "campaigns.a.pins: names item_id 'ghost', which no item has",
        "age_limits.0: names category 'whine', which no item has",
        "age_limits.0: names brand 'fleet', which no item has",
        "surfaces.home.filter: names tags 'sale', which no item has",
    ]
    assert unknown_names(built_in(), shop()) == []


def test_names_are_looked_for_with_each_book_and_once_a_minute() -> None:
    now, table, book = [0.0], shop(), read_book(NAMES)
    check = NameCheck(table, lambda: now[0])
    assert len(check.unknown(book)) == 4
    table.put("ghost", catalogue("ghost", "Whine", 1), None)

    now[0] = 59.9
    assert len(check.unknown(book)) == 4
    assert check.unknown(built_in()) == []
    assert len(check.unknown(book)) == 2
    table.put("new", msgspec.structs.replace(catalogue("new", "Shoes", 1), brand="Fleet"), None)
    now[0] = 59.9 + 60
    assert len(check.unknown(book)) == 1

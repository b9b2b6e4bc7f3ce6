"""The filter language against an independent reading of it, and against whatever else may come as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recommender.features import ItemCatalogue
from recommender.serving.filters import BadFilter, Masks, parse_filter
from recommender.serving.filters.grammar import FIELDS
from recommender.serving.item_table import ItemTable

NOW_US = 1_800_000_000_000_000
DAY_MS = 86_400_000


class Item(NamedTuple):
    category: str
    brand: str
    price_cents: int
    stock: int
    tags: tuple[str, ...]
    listed_days: int


CATEGORIES = ("", "Shoes", "Shoes > Running", "Shoes > Hiking", "Camping", "Shoeshine")
BRANDS = ("", "Fleet", "North", 'Quo"ted', "Näh\\werk")
TAGS = ("new", "sale", "ÜBER")
items = st.builds(
    Item,
    st.sampled_from(CATEGORIES),
    st.sampled_from(BRANDS),
    st.sampled_from([-1, 0, 100, 4_999, 5_000, 5_001]),
    st.sampled_from([-1, 0, 1, 7]),
    st.lists(st.sampled_from(TAGS), max_size=2, unique=True).map(tuple),
    st.integers(0, 3),
)
Rule = Callable[[Item, str], bool]


class Case(NamedTuple):
    """A filter, and what it means."""

    text: str
    holds: Rule


def quoted(text: str, mark: str) -> str:
    return mark + text.replace("\\", "\\\\").replace(mark, "\\" + mark) + mark


def in_tree(item: Item, wanted: Sequence[str]) -> bool:
    path = item.category.split(" > ") if item.category else []
    levels = [" > ".join(path[: depth + 1]).casefold() for depth in range(len(path))]
    return any(each.casefold() in levels for each in wanted)


@st.composite
def comparisons(draw: Any) -> Case:
    kind = draw(st.sampled_from(["category", "brand", "tag", "price", "stock", "id"]))
    mark = draw(st.sampled_from(["'", '"']))
    negated = draw(st.booleans())
    if kind in ("category", "brand", "id"):
        pool = {"category": CATEGORIES, "brand": BRANDS, "id": ("i0", "i1", "i2", "I0")}[kind]
        wanted = draw(st.lists(st.sampled_from(pool), max_size=3))
        shown = [draw(st.sampled_from([each, each.upper() if kind != "id" else each])) for each in wanted]
        field = "item_id" if kind == "id" else kind
        text = f"{field} {'not ' * negated}in [{', '.join(quoted(each, mark) for each in shown)}]"
        folded = [each.casefold() for each in shown]
        rules: dict[str, Rule] = {
            "category": lambda item, _: in_tree(item, shown),
            "brand": lambda item, _: bool(item.brand) and item.brand.casefold() in folded,
            "id": lambda _, item_id: item_id in shown,
        }
        rule = rules[kind]
        return Case(text, lambda item, item_id: rule(item, item_id) != negated)
    if kind == "tag":
        tag = draw(st.sampled_from(TAGS))
        text = f"{quoted(tag, mark)} {'not ' * negated}in tags"
        return Case(text, lambda item, _: (tag in item.tags) != negated)
    sign = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    number = draw(st.sampled_from([0, 1, 100, 5_000]))
    column = "price_cents" if kind == "price" else "stock"
    if draw(st.booleans()):
        numbers = draw(st.lists(st.sampled_from([0, 1, 100, 5_000]), max_size=3))
        negated = draw(st.booleans())
        text = f"{kind} {'not ' * negated}in [{', '.join(map(str, numbers))}]"
        return Case(text, lambda item, _: (getattr(item, column) in numbers) != negated)
    signs: dict[str, Callable[[float, float], bool]] = {
        "==": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
        "<": lambda a, b: a < b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        ">=": lambda a, b: a >= b,
    }

    def holds(item: Item, _: str) -> bool:
        value = getattr(item, column)
        return signs[sign](value, number) if value >= 0 else sign == "!="

    return Case(f"{kind} {sign} {number:_}", holds)


def combined(inner: st.SearchStrategy[Case]) -> st.SearchStrategy[Case]:
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(
            lambda two: Case(f"({two[0].text}) and ({two[1].text})", lambda *i: two[0].holds(*i) and two[1].holds(*i))
        ),
        pairs.map(
            lambda two: Case(f"({two[0].text}) or ({two[1].text})", lambda *i: two[0].holds(*i) or two[1].holds(*i))
        ),
        inner.map(lambda one: Case(f"not ({one.text})", lambda *i: not one.holds(*i))),
    )


filters = st.recursive(comparisons(), combined, max_leaves=12)


def table_of(shop: Sequence[Item]) -> ItemTable:
    table = ItemTable()
    for number, item in enumerate(shop):
        listed_ms = NOW_US // 1_000 - item.listed_days * DAY_MS
        row = ItemCatalogue(
            f"i{number}",
            NOW_US,
            item.stock != 0,
            item.stock,
            item.price_cents,
            "EUR",
            "",
            item.category,
            item.brand,
            list(item.tags),
            "",
            "",
            listed_ms,
        )
        table.put(row.item_id, row, None)
    return table


@settings(max_examples=300)
@given(st.lists(items, max_size=12), filters)
def test_a_filter_allows_the_items_that_fulfil_it_one_by_one(shop: list[Item], case: Case) -> None:
    table = table_of(shop)

    allowed = Masks(table).allowed(parse_filter(case.text), NOW_US)

    assert allowed.tolist() == [case.holds(item, f"i{number}") for number, item in enumerate(shop)]


@settings(max_examples=100)
@given(st.lists(items, min_size=1, max_size=6), st.lists(items, min_size=1, max_size=6), comparisons())
def test_an_answer_that_was_kept_is_that_of_the_items_as_they_are(
    before: list[Item], after: list[Item], case: Case
) -> None:
    table, changed = table_of(before), table_of(after)
    masks, wanted = Masks(table), parse_filter(case.text)
    masks.allowed(wanted, NOW_US)

    for row, item_id in enumerate(changed.ids):
        catalogue = changed.catalogue[row]
        assert catalogue is not None
        table.put(item_id, catalogue, None)

    shop = after + before[len(after) :]
    expected = [case.holds(item, f"i{number}") for number, item in enumerate(shop)]
    assert masks.allowed(wanted, NOW_US).tolist() == expected


@settings(max_examples=500)
@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(
            st.sampled_from(
                [*FIELDS, "and", "or", "not", "in", "(", ")", "[", "]", ",", "==", "<", "5", '"x"', "x", "__import__"]
            ),
            max_size=60,
        ).map(" ".join),
    )
)
@example('__import__("os").system("true")')
@example("price < 1e999")
@example("().__class__")
@example("category in [" + '"a",' * 500 + "]")
@example("(" * 5_000)
@example("not " * 499 + "price < 1")
@example("price < " + "9" * 1_900)
def test_any_text_is_a_filter_or_is_refused_with_a_reason(text: str) -> None:
    try:
        wanted = parse_filter(text)
    except BadFilter as error:
        reason = str(error)
    else:
        reason = ""
    if reason:
        assert reason.startswith("must ")
        return
    mask = Masks(table_of([Item("Shoes", "Fleet", 100, 1, ("new",), 1)])).allowed(wanted, NOW_US)
    assert mask.dtype == np.bool_
    assert len(mask) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must have a field, category, brand, item_id, tags, price, stock, listed_days at 0; got the end"),
        (
            "colour == 'red'",
            "must name a field, one of category, brand, item_id, tags, price, stock, listed_days; got 'colour' at 0",
        ),
        ("price = 5", 'must compare by "=="; got "=" at 6'),
        ("price < 'cheap'", "must have a number to compare price with at 8; got 'cheap'"),
        ("brand < 'B'", "must have one of ==, !=, in behind brand at 6; got '<'"),
        ("brand == 5", "must have a quoted text to compare brand with at 9; got '5'"),
        ("(price < 5", 'must have ")" at 10; got the end'),
        ("price < 5 stock > 1", 'must have "and", "or" or the end at 10; got \'stock\''),
        ("price < 5; drop", "must be of names, numbers, quoted texts and signs; got '; drop' at 9"),
        (
            "price < 20.00",
            "must have a whole number of cents to compare price with at 8; got '20.00' (write 20_00)",
        ),
        ("stock > 1.5", "must have a whole number to compare stock with at 8; got '1.5'"),
        (f"price in [{', '.join(map(str, range(21)))}]", "must have at most 20 comparisons; got more at 80"),
        ("'new' in brand", "must have \"in tags\" at 9; got 'brand'"),
    ],
)
def test_what_is_wrong_with_a_filter_is_told_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(BadFilter) as refused:
        parse_filter(text)

    assert str(refused.value) == reason


def test_days_since_listing_may_have_a_decimal_point() -> None:
    table = table_of([Item("", "", 1, 1, (), days) for days in (1, 2)])

    assert Masks(table).allowed(parse_filter("listed_days < 1.5"), NOW_US).tolist() == [True, False]


def test_what_is_unknown_of_an_item_fulfils_no_comparison_but_the_opposite_of_one() -> None:
    table = table_of([Item("", "", -1, -1, (), 0)])
    table.put("seen only in events", None, None)
    fields = {"category": '"x"', "brand": '"x"', "price": "5", "stock": "5"}
    masks = Masks(table)

    for field, value in fields.items():
        for text in (f"{field} == {value}", f"{field} in [{value}]"):
            assert not masks.allowed(parse_filter(text), NOW_US).any(), text
        for text in (f"{field} != {value}", f"{field} not in [{value}]", f"not {field} == {value}"):
            assert masks.allowed(parse_filter(text), NOW_US).all(), text
    for text in ('brand == ""', 'category == ""', "price < 5", "price >= 5"):
        assert not masks.allowed(parse_filter(text), NOW_US).any(), text


@pytest.mark.parametrize(("rows", "kept"), [(1, 64), (200_000, 32)])
def test_only_so_many_answers_are_kept(rows: int, kept: int) -> None:
    table = table_of([Item("", "", 1, 1, (), 1)])
    table.ids = ["i"] * rows
    table._price = np.ones(rows)
    masks = Masks(table)
    first = masks.allowed(parse_filter("price == 0"), NOW_US)
    for number in range(1, kept):
        masks.allowed(parse_filter(f"price == {number}"), NOW_US)

    assert masks.allowed(parse_filter("price == 0"), NOW_US) is first
    for number in range(kept):
        masks.allowed(parse_filter(f"price == {2_000 + number}"), NOW_US)
    assert masks.allowed(parse_filter("price == 0"), NOW_US) is not first

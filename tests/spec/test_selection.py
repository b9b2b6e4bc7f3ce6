"""A ranking in, the slate's items out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from recommender.serving.candidates import Candidates
from recommender.serving.item_table import ItemTable
from recommender.serving.ranking import Ranking
from recommender.serving.request import SlateRequest, Surface
from recommender.serving.selection import choose
from recommender.serving.surfaces import default_rules
from tests.spec.test_slate import activity, catalogue


def table_of(items: Sequence[tuple[str, str, int]]) -> ItemTable:
    """Items with category and stock, the later ones less in demand."""
    table = ItemTable()
    for place, (item_id, category, stock) in enumerate(items):
        table.put(item_id, catalogue(item_id, category, stock), activity(item_id, 100.0 - place, [], []))
    return table


def chosen(
    table: ItemTable,
    ranked: Sequence[str],
    n: int,
    *,
    new: Sequence[str] = (),
    barred: Sequence[str] = (),
    surface: Surface = Surface.HOME,
) -> list[tuple[str, str]]:
    """The items of the slate and their sources, where these items are ranked, the best first."""
    rows = np.array(table.rows_of(ranked), np.intp)
    scores = np.arange(len(rows), 0, -1).astype(np.float64)
    fresh = np.array(table.rows_of(new), np.intp)
    candidates = [
        Candidates("model", rows, scores),
        Candidates("new", fresh, np.arange(len(fresh), 0, -1).astype(np.float64)),
    ]
    ranking = Ranking(rows, scores, np.zeros(len(rows), np.intp))
    found = choose(
        table, SlateRequest(surface, n), ranking, candidates, default_rules(surface).surface, set(table.rows_of(barred))
    )
    return [(table.ids[entry.row], entry.source) for entry in found]


def ids(found: Sequence[tuple[str, str]]) -> list[str]:
    return [item for item, _ in found]


SHOES = [(f"shoe{number}", "Shoes", 1) for number in range(10)]
LAMPS = [(f"lamp{number}", "Lamps", 1) for number in range(10)]
RANKED = [item for item, *_ in SHOES + LAMPS]


def test_a_category_takes_at_most_three_fifths_of_a_home_slate() -> None:
    found = ids(chosen(table_of(SHOES + LAMPS), RANKED, 10))

    assert found == ["shoe0", "shoe1", "shoe2", "shoe3", "shoe4", "shoe5", "lamp0", "lamp1", "lamp2", "lamp3"]


def test_a_category_takes_more_where_nothing_else_is_ranked() -> None:
    assert ids(chosen(table_of(SHOES + LAMPS), RANKED[:8], 8)) == RANKED[:8]


def test_items_without_a_category_have_no_share() -> None:
    nameless = [(f"item{number}", "", 1) for number in range(10)]

    assert ids(chosen(table_of(nameless), [item for item, *_ in nameless], 10)) == [item for item, *_ in nameless]


@pytest.mark.parametrize("surface", [surface for surface in Surface if surface is not Surface.HOME])
def test_other_surfaces_follow_the_ranking_alone(surface: Surface) -> None:
    table = table_of([*SHOES, *LAMPS, ("fresh", "Lamps", 1)])

    assert ids(chosen(table, RANKED, 20, new=["fresh"], surface=surface)) == RANKED


@pytest.mark.parametrize(("n", "places"), [(9, 0), (10, 1), (20, 1), (39, 1), (40, 2)])
def test_one_place_in_twenty_is_for_new_items_the_last_one_and_in_a_short_slate_none(n: int, places: int) -> None:
    ranked = [(f"item{number}", "", 1) for number in range(50)]
    fresh = [(f"fresh{number}", "", 1) for number in range(3)]
    table = table_of([*ranked, *fresh])

    found = chosen(table, [item for item, *_ in ranked], n, new=[item for item, *_ in fresh])

    assert found[: n - places] == [(f"item{number}", "model") for number in range(n - places)]
    assert found[n - places :] == [(f"fresh{number}", "new") for number in range(places)]


def test_a_new_item_that_is_ranked_high_enough_takes_its_own_place() -> None:
    table = table_of([*SHOES, *LAMPS, *(("fresh", "Lamps", 1), ("fresher", "Lamps", 1))])

    found = ids(chosen(table, ["fresh", *RANKED], 20, new=["fresh", "fresher"]))

    assert found[0] == "fresh"
    assert "fresher" not in found


def test_sold_out_and_barred_items_are_never_chosen_new_or_not() -> None:
    table = table_of([*SHOES, *LAMPS, *(("gone", "Lamps", 0), ("fresh", "Lamps", 1), ("barred", "Lamps", 1))])

    found = ids(chosen(table, ["gone", "barred", *RANKED], 20, new=["gone", "barred", "fresh"], barred=["barred"]))

    assert found[-1] == "fresh"
    assert not {"gone", "barred"} & set(found)


def test_what_is_missing_is_filled_with_items_in_demand() -> None:
    found = chosen(table_of(SHOES + LAMPS), ["lamp3"], 4, barred=["shoe1"])

    assert found == [("lamp3", "model"), ("shoe0", "trending"), ("shoe2", "trending"), ("shoe3", "trending")]

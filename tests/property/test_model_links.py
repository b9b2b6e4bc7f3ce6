"""Links between items against dictionaries."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.model.links import Links

ITEMS = 6
WEIGHTS = st.sampled_from([0.25, 0.5, 1.0, 2.0])
rows = st.lists(st.dictionaries(st.integers(0, 9), WEIGHTS, max_size=4), min_size=ITEMS, max_size=ITEMS)


def links_of(by_item: list[dict[int, float]]) -> Links:
    starts = np.cumsum([0, *map(len, by_item)])
    items = [item for row in by_item for item in row]
    weights = [weight for row in by_item for weight in row.values()]
    return Links(starts.astype(np.int64), np.array(items, np.int32), np.array(weights, np.float32))


def told(found: tuple[np.ndarray, np.ndarray]) -> dict[int, float]:
    items, weights = found
    assert len(set(items.tolist())) == len(items) == len(weights)
    return dict(zip(items.tolist(), weights.tolist(), strict=True))


@given(rows)
def test_an_item_leads_where_its_row_says_and_one_beyond_the_rows_nowhere(by_item: list[dict[int, float]]) -> None:
    links = links_of(by_item)
    for item, row in enumerate(by_item):
        assert told(links.of(item)) == row
    for item in (ITEMS, ITEMS + 1, 1_000):
        assert told(links.of(item)) == {}


@given(rows, st.dictionaries(st.integers(0, ITEMS + 2), WEIGHTS, max_size=5))
def test_several_items_lead_to_the_weighted_sum_of_their_rows(
    by_item: list[dict[int, float]], asked: dict[int, float]
) -> None:
    expected: dict[int, float] = {}
    for item, weight in asked.items():
        for other, strength in by_item[item].items() if item < ITEMS else ():
            expected[other] = expected.get(other, 0.0) + weight * strength
    found = links_of(by_item).from_all(np.array(list(asked), np.int64), np.array(list(asked.values())))
    assert told(found) == expected
    assert (found[0].dtype, found[1].dtype) == (np.int32, np.float32)

"""Sums by number: the same whether numbers lie close together or far apart, and the same as of a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.model.sums import distinct_numbers, sum_by_number

CLOSE, FAR = st.integers(0, 20), st.integers(0, 10**6) | st.integers(2**31 - 9, 2**31 - 1)


@given(st.lists(st.tuples(CLOSE | FAR, st.sampled_from([0.0, 0.25, 1.0, 3.5]))))
def test_sums_are_those_of_a_dictionary(pairs: list[tuple[int, float]]) -> None:
    sums: dict[int, float] = {}
    for number, weight in pairs:
        sums[number] = sums.get(number, 0.0) + weight
    numbers = np.array([number for number, _ in pairs], np.int32)
    distinct, found = sum_by_number(numbers, np.array([weight for _, weight in pairs]))
    assert distinct.dtype == np.int32
    assert sorted(zip(distinct.tolist(), found.tolist(), strict=True)) == sorted(sums.items())


@given(st.lists(CLOSE | FAR, min_size=1))
def test_distinct_numbers_are_in_order_and_each_number_has_its_place_among_them(numbers: list[int]) -> None:
    distinct, places = distinct_numbers(np.array(numbers, np.int64), max(numbers) + 1)
    assert distinct.tolist() == sorted(set(numbers))
    assert distinct[places].tolist() == numbers

"""The best of many: the same as of sorting all, whatever the scores and however many are equal."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recommender.model.best import best

MANY_EQUAL = st.sampled_from([0.0, 0.5, 1.0])
SCORES = st.lists(MANY_EQUAL | st.floats(-4, 4, width=32), max_size=1_500)


@given(SCORES, st.integers(1, 200))
def test_the_highest_come_first_and_equal_ones_by_place(scores: list[float], most: int) -> None:
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    assert best(np.array(scores, np.float32), most).tolist() == expected[:most]


@given(SCORES, st.integers(1, 200), st.randoms())
def test_equal_ones_come_by_another_order_where_it_is_given(scores: list[float], most: int, random: Random) -> None:
    ties = list(range(len(scores)))
    random.shuffle(ties)
    expected = sorted(range(len(scores)), key=lambda place: (-scores[place], ties[place]))
    assert best(np.array(scores, np.float32), most, np.array(ties, np.int64)).tolist() == expected[:most]

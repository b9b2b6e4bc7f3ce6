from __future__ import annotations

import numpy as np
import pytest

from recommender.features import UserFeatures
from recommender.serving.candidates import Candidates
from recommender.serving.interest import interest
from recommender.serving.ranking import rank
from recommender.serving.text_index import TextIndex
from tests.spec.test_slate import NOW_US, session


def candidates(source: str, **scores: float) -> Candidates:
    rows = [int(name.removeprefix("row")) for name in scores]
    return Candidates(source, np.array(rows, np.intp), np.array(list(scores.values())))


def test_scores_of_sources_add_up_by_weight_and_the_largest_part_names_the_source() -> None:
    found = rank(
        [candidates("model", row1=1.0, row2=0.5), candidates("also_viewed", row2=0.5)],
        {"model": 0.6, "also_viewed": 1.0},
    )

    assert found.rows.tolist() == [2, 1]
    assert found.scores.tolist() == pytest.approx([0.8, 0.6])
    assert found.sources.tolist() == [1, 0]


def test_equal_scores_come_in_the_order_of_rows() -> None:
    assert rank([candidates("model", row3=1.0, row1=1.0)], {"model": 1.0}).rows.tolist() == [1, 3]


def test_a_source_without_weight_counts_nothing() -> None:
    assert len(rank([candidates("recent", row3=1.0)], {"model": 1.0}).rows) == 0


def test_later_looks_weigh_more_and_days_between_them_count() -> None:
    close = interest([session([("a", "A"), ("b", "B")])], None)
    apart = interest([session([("a", "A")]), session([("b", "B")], feature_time_us=NOW_US - 86_400_000_000)], None)

    assert close.items["a"] == 1.0
    assert 0.6 < close.items["b"] < 0.7
    assert apart.items["b"] < 0.1
    assert list(close.categories) == ["A", "B"]


def test_an_item_in_two_sessions_counts_at_its_latest_look() -> None:
    both = interest(
        [session([("a", "A"), ("b", "B")]), session([("b", "B")], feature_time_us=NOW_US + 60_000_000)], None
    )

    assert list(both.items) == ["b", "a"]


def test_lasting_taste_weighs_less_than_the_session() -> None:
    user = UserFeatures("u", NOW_US, *[0] * 12, 0.0, "", 0.0, ["Camping", "Shoes"], [3.0, 1.0], [], [], [])

    found = interest([session([("a", "A")])], user)

    assert list(found.categories) == ["A", "Camping", "Shoes"]
    assert found.categories["Camping"] == pytest.approx(0.225)


def test_rare_words_of_a_query_weigh_more() -> None:
    index = TextIndex()
    for row, title in enumerate(["red shoe", "red sock", "red hat", "blue shoe"]):
        index.put(row, [title])

    rows, scores = index.match("Red blue")

    by_row = dict(zip(rows.tolist(), scores.tolist(), strict=True))
    assert by_row[3] > by_row[0] == by_row[1] > 0


def test_words_of_a_new_description_replace_the_old_ones() -> None:
    index = TextIndex()
    index.put(0, ["red shoe"])
    index.put(0, ["blue shoe"])

    assert index.match("red")[0].tolist() == []
    assert index.match("blue shoe")[1].tolist() == [1.0]

from __future__ import annotations

import numpy as np
import pytest

from recommender.serving.candidates import Candidates
from recommender.serving.ranking import rank
from recommender.serving.text_index import TextIndex


def candidates(source: str, **scores: float) -> Candidates:
    rows = [int(name.removeprefix("row")) for name in scores]
    return Candidates(source, np.array(rows, np.intp), np.array(list(scores.values())))


def test_shares_of_each_sources_highest_score_add_up_by_weight_and_the_largest_part_names_the_source() -> None:
    found = rank(
        [candidates("model", row1=8.0, row2=4.0), candidates("also_viewed", row2=0.5)],
        {"model": 0.6, "also_viewed": 1.0},
    )

    assert found.rows.tolist() == [2, 1]
    assert found.scores.tolist() == pytest.approx([1.3, 0.6])
    assert found.sources.tolist() == [1, 0]


def test_equal_scores_come_in_the_order_of_rows() -> None:
    assert rank([candidates("model", row3=1.0, row1=1.0)], {"model": 1.0}).rows.tolist() == [1, 3]


def test_a_source_without_weight_counts_nothing() -> None:
    assert len(rank([candidates("recent", row3=1.0)], {"model": 1.0}).rows) == 0


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

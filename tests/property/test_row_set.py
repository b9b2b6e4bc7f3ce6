"""A set of rows is what a set of Python would be, and an array that was given stays as it was."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.serving.row_set import RowSet

changes = st.lists(st.tuples(st.sampled_from(["add", "discard", "read"]), st.integers(0, 400)), max_size=600)


@settings(max_examples=100)
@given(st.integers(0, 300), changes)
def test_whatever_is_put_in_and_taken_out_the_rows_are_those_within(begun: int, steps: list[tuple[str, int]]) -> None:
    rows, expected = RowSet(), set(range(begun))
    for row in range(begun):
        rows.add(row)
    given_before = []
    for step, row in steps:
        if step == "add":
            rows.add(row)
            expected.add(row)
        elif step == "discard":
            rows.discard(row)
            expected.discard(row)
        else:
            found = rows.rows()
            assert sorted(found.tolist()) == sorted(expected)
            given_before.append((found, found.tolist()))
    assert sorted(rows.rows().tolist()) == sorted(expected)
    assert all(found.tolist() == listed for found, listed in given_before)

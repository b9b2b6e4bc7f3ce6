"""What validation checks of lists and of payloads."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features import UserFeatures
from recommender.history import EVENTS, SCHEMAS
from validation.measures import PROBLEM, greatest, least, length, measured, nulls

VIEW = '{"event_id":"e1","event_time":"2026-03-01T12:00:00Z","kind":"view","user_id":"ada","item_id":"shoe"}'


def scores(lists: list[list[float | None] | None]) -> dict[str, list[object]]:
    column = pa.table({"scores": pa.array(lists, pa.list_(pa.float64()))})
    measures: dict[str, list[object]] = measured(UserFeatures.view, column).to_pydict()
    return measures


@settings(deadline=None)
@given(st.lists(st.none() | st.lists(st.none() | st.floats(-1e9, 1e9)), max_size=8))
def test_the_measures_of_a_list_are_those_of_its_elements(lists: list[list[float | None] | None]) -> None:
    found = scores(lists)
    numbers = [[value for value in row or [] if value is not None] for row in lists]
    assert found[length("scores")] == [None if row is None else len(row) for row in lists]
    assert found[nulls("scores")] == [len(row or []) - len(kept) for row, kept in zip(lists, numbers, strict=True)]
    assert found[least("scores")] == [min(kept, default=None) for kept in numbers]
    assert found[greatest("scores")] == [max(kept, default=None) for kept in numbers]


def test_an_element_that_is_not_a_number_counts_as_null() -> None:
    assert scores([[1.0, float("nan")]])[nulls("scores")] == [1]


def test_a_list_in_the_middle_of_a_batch_is_measured_for_itself() -> None:
    column = pa.table({"scores": pa.array([[9.0], [], [1.0, 2.0]], pa.list_(pa.float64()))}).slice(1)
    assert measured(UserFeatures.view, column).to_pydict()[least("scores")] == [None, 1.0]


@pytest.mark.parametrize(
    ("event_id", "kind", "payload", "problem"),
    [
        ("e1", "view", VIEW, None),
        ("e2", "view", VIEW, "event_id: must be that of the payload, 'e1'; got 'e2'"),
        ("e1", "click", VIEW, "kind: must be that of the payload, 'view'; got 'click'"),
        ("e1", "view", None, "payload: must not be null"),
        ("e1", "view", VIEW.replace("shoe", ""), "view.item_id: String should have at least 1 character; got ''"),
    ],
)
def test_a_payload_must_be_the_event_of_its_row(
    event_id: str, kind: str, payload: str | None, problem: str | None
) -> None:
    row = dict.fromkeys(SCHEMAS[EVENTS].names) | {"event_id": event_id, "kind": kind, "payload": payload}
    found = measured(EVENTS, pa.Table.from_pylist([row], schema=SCHEMAS[EVENTS])).to_pydict()
    assert found[PROBLEM] == [problem]
    assert "payload" not in found

"""What is in most demand, while interest and stock change: the same as when all are looked at each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.serving import demand, item_table
from recommender.serving.demand import Demand
from recommender.serving.item_table import ItemTable
from tests.spec.test_slate import catalogue

CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("value"), st.integers(0, 79), st.sampled_from([-np.inf, *map(float, range(40))])),
        st.tuples(st.just("stock"), st.integers(0, 79), st.booleans()),
        st.tuples(st.just("new"), st.just(0), st.sampled_from([-np.inf, 3.5, 50.0])),
        st.tuples(st.just("ask"), st.integers(1, 30), st.none()),
    ),
    max_size=60,
)


@pytest.mark.parametrize("least", [4, 30, 200])
@settings(max_examples=150, deadline=None)
@given(start=st.integers(0, 80), changes=CHANGES)
def test_the_highest_are_those_of_all_rows(
    least: int, start: int, changes: list[tuple[str, int, float | bool | None]]
) -> None:
    values = np.full(200, -np.inf)
    values[:start] = np.random.default_rng(1).integers(0, 25, start) + np.arange(start) / 1_000
    available = np.arange(200) % 3 > 0
    rows = start
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demand, "_LEAST", least)
        found = Demand(lambda: np.arange(rows))
        for kind, number, to in changes:
            if kind == "ask":
                kept = np.flatnonzero(available[:rows])
                expected = kept[np.argsort(-values[kept], kind="stable")][:number]
                answer = found.highest(values[:rows], available[:rows], number)
                assert values[answer].tolist() == values[expected].tolist()
                assert len(set(answer.tolist())) == len(answer)
                assert available[answer].all()
            elif kind == "stock":
                available[number] = bool(to)
            else:
                row = rows if kind == "new" else number
                rows += kind == "new"
                if row < rows and to is not None:
                    values[row] = to + row / 1_000
                    found.note(row, values[row])


def test_only_those_whose_value_has_changed_are_looked_at_again() -> None:
    asked = []
    values, available = np.arange(10_000, dtype=float), np.ones(10_000, bool)

    def rows() -> np.ndarray:
        asked.append(1)
        return np.arange(10_000)

    found = Demand(rows)
    for step in range(500):
        values[step] = 20_000.0 + step
        found.note(step, values[step])
        available[9_999 - step % 10] = bool(step % 2)
        assert found.highest(values, available, 20)[0] == step
    assert len(asked) <= 2


def test_what_is_kept_of_categories_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_table, "_MOST_DEMANDS", 10)
    table = ItemTable()
    for number in range(60):
        table.put(f"i{number}", catalogue(f"i{number}", f"c{number % 30}", 1), None)
    for _ in range(2):
        for number in range(30):
            assert table.trending(f"c{number}", 5).tolist() == [number, number + 30]
    assert len(table._demand) == 10

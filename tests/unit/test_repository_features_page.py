"""The page of features is derived from the row classes and must not fall behind them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.features import ROW_TYPES
from recommender.features.__main__ import document

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_of_features_is_current():
    assert PAGE.read_text() == document(), "run: python -m recommender.features > docs/features.md"


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
def test_every_column_is_described(row_type):
    undescribed = [column.name for column in row_type.columns() if not column.description]

    assert undescribed == []


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
def test_no_description_breaks_its_table(row_type):
    broken = [column.name for column in row_type.columns() if {"|", "\n"} & set(column.description)]

    assert broken == []


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
def test_numbers_that_count_or_measure_cannot_be_negative_without_saying_so(row_type):
    unbounded = [
        column.name
        for column in row_type.columns()
        if column.type.value in ("int", "float", "int_list", "float_list") and column.minimum is None
    ]

    assert unbounded == []

"""The history holds each row exactly once, whenever its writer dies."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features import CategoryTrend
from recommender.history import ForeignHistory, HistoryWriter, part_files


def row(number: int) -> CategoryTrend:
    return CategoryTrend(f"c{number}", 1_700_000_000_000_000 + number, ["i1"], [float(number)])


def categories(folder: Path) -> list[str]:
    found = []
    for path in part_files(folder, "category"):
        found += pq.read_table(path).column("category").to_pylist()
    return sorted(found)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_rows_behind_the_last_saved_number_are_written_again_and_none_twice(rounds: list[tuple[int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        saved, done, number = 0, [], 0
        writer = HistoryWriter(folder, "0", saved)
        for rows, dies in rounds:
            batch = [row(number + offset) for offset in range(rows)]
            for each in batch:
                writer.add_row(each)
            flushed = writer.flush()
            if dies:  # the number was never saved: the rows come again
                writer = HistoryWriter(folder, "0", saved)
                continue
            saved, number = flushed, number + rows
            done += [each.category for each in batch]
        HistoryWriter(folder, "0", saved)
        assert categories(folder) == sorted(done)


def test_small_files_are_merged_and_every_row_stays(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, "0", 0)
    for number in range(300):
        writer.add_row(row(number))
        saved = writer.flush()
    writer.close()
    assert len(part_files(tmp_path, "category")) < 200
    HistoryWriter(tmp_path, "0", saved)  # a new start drops the files that were merged
    assert categories(tmp_path) == sorted(f"c{number}" for number in range(300))


def test_a_folder_without_rows_reads_as_an_empty_table(tmp_path: Path) -> None:
    HistoryWriter(tmp_path, "0", 0)
    assert pq.read_table(tmp_path / "events").num_rows == 0
    assert part_files(tmp_path, "events") == []


def test_a_writer_that_starts_far_behind_the_parts_refuses_and_drops_nothing(tmp_path: Path) -> None:
    writer = HistoryWriter(tmp_path, "0", 0)
    for number in range(100):
        writer.add_row(row(number))
        writer.flush()
    held = categories(tmp_path)
    with pytest.raises(ForeignHistory, match=r"must not go beyond part 0, .*; got part 100"):
        HistoryWriter(tmp_path, "0", 0)
    assert categories(tmp_path) == held

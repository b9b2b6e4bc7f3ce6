"""Which rows of the history validation reads."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.features import CategoryTrend, FeatureRow
from recommender.history import HistoryWriter, part_files
from validation.sample import SampleSize, UnreadableHistory, write_sample

TABLE = CategoryTrend.view


def trend(second: int) -> FeatureRow:
    return CategoryTrend("Shoes", second * 1_000_000, [f"item{second}"], [1.0])


def write_parts(history_dir: Path, parts: list[list[int]], writer: str = "0") -> None:
    history = HistoryWriter(history_dir, writer, 0)
    for seconds in parts:
        for second in seconds:
            history.add_row(trend(second))
        history.flush()
    history.close()


def sampled(history_dir: Path, most_rows: int, tmp_path: Path) -> tuple[SampleSize, list[int]]:
    into = tmp_path / "sample.parquet"
    size = write_sample(history_dir, TABLE, most_rows, into)
    return size, [int(moment.timestamp()) for moment in pq.read_table(into)["event_timestamp"].to_pylist()]


def test_a_small_table_is_read_whole(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1, 2], [3]])
    assert sampled(tmp_path, 100, tmp_path) == (SampleSize(3, 3), [3, 1, 2])


def test_of_a_large_table_the_latest_rows_by_event_time_are_read(tmp_path: Path) -> None:
    write_parts(tmp_path, [[7, 8, 9], [1, 2, 3], [4, 5, 6]])
    assert sampled(tmp_path, 4, tmp_path) == (SampleSize(4, 9), [7, 8, 9, 6])


def test_an_empty_table_has_an_empty_sample(tmp_path: Path) -> None:
    HistoryWriter(tmp_path, "0", 0)
    assert write_sample(tmp_path, TABLE, 10, tmp_path / "sample.parquet") == SampleSize(0, 0)


def test_rows_of_merged_part_files_are_read_once(tmp_path: Path) -> None:
    write_parts(tmp_path, [[second] for second in range(1, 65)])
    write_parts(tmp_path, [[1000]], writer="0-import")
    assert len(list((tmp_path / TABLE).glob("merged-*"))) == 1
    size, seconds = sampled(tmp_path, 1_000, tmp_path)
    assert sorted(seconds) == [*range(1, 65), 1000]
    assert size.rows_in_history == 65


def test_a_column_that_an_older_part_file_lacks_is_null_in_it(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1], [2]])
    path = part_files(tmp_path, TABLE)[0]
    pq.write_table(pq.read_table(path).drop_columns(["trending_scores"]), path)
    into = tmp_path / "sample.parquet"
    write_sample(tmp_path, TABLE, 10, into)
    assert pq.read_table(into)["length(trending_scores)"].to_pylist() == [1, None]


def test_a_damaged_part_file_is_named(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1]])
    path = part_files(tmp_path, TABLE)[0]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        UnreadableHistory, match=rf"^history\.category: {path.name} cannot be read; Parquet magic bytes"
    ):
        write_sample(tmp_path, TABLE, 10, tmp_path / "sample.parquet")


def test_a_part_file_whose_middle_is_damaged_is_named(tmp_path: Path) -> None:
    write_parts(tmp_path, [list(range(1, 2_000))])
    path = part_files(tmp_path, TABLE)[0]
    content = bytearray(path.read_bytes())
    content[60:400] = bytes(340)
    path.write_bytes(content)
    with pytest.raises(UnreadableHistory, match=rf"^history\.category: {path.name} cannot be read; "):
        write_sample(tmp_path, TABLE, 5_000, tmp_path / "sample.parquet")


def test_part_files_whose_types_differ_are_named(tmp_path: Path) -> None:
    write_parts(tmp_path, [[1], [2]])
    path = part_files(tmp_path, TABLE)[1]
    rows = pq.read_table(path)
    pq.write_table(rows.set_column(0, "category", pa.array([5], pa.int64())), path)
    with pytest.raises(
        UnreadableHistory, match=r"^history\.category: column types differ in part-0-000000001\.parquet"
    ):
        write_sample(tmp_path, TABLE, 10, tmp_path / "sample.parquet")

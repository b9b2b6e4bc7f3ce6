"""What holds for every loader: names, files and folders, ids, wrong formats, damaged files, dirty rows."""

from __future__ import annotations

import gzip
from collections import deque
from itertools import islice
from pathlib import Path

import pytest

from recommender.loaders import BadRow, LoadedEvent, UnknownDataset, UnreadableFile, WrongFormat, open_loader

TAOBAO = "543462,1715,1464116,pv,1511658000\n662867,2244074,1575622,buy,1511658001\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(path: Path) -> list[str]:
    return [loaded.event["event_id"] for loaded in open_loader("taobao", path) if isinstance(loaded, LoadedEvent)]


def test_an_unknown_data_set_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownDataset) as error:
        open_loader("netflix", tmp_path)
    assert str(error.value) == (
        "dataset: must be one of taobao, online_retail, movielens, yoochoose, otto, retailrocket, rees46, generic; "
        "got 'netflix'"
    )


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"none.csv: No such file or directory$"):
        open_loader("taobao", tmp_path / "none.csv")


def test_a_folder_is_refused_by_a_format_of_one_file(tmp_path: Path) -> None:
    with pytest.raises(WrongFormat, match="taobao is read from a file; got a folder"):
        open_loader("taobao", tmp_path)


def test_a_folder_without_files_of_the_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongFormat, match=r"must hold rees46 files \(\*\.csv, each also as \.gz\)"):
        open_loader("rees46", tmp_path)


def test_gzip_is_told_by_its_content_and_gives_the_same_ids_as_the_plain_file(tmp_path: Path) -> None:
    plain = write(tmp_path / "a.csv", TAOBAO)
    packed = write(tmp_path / "b.csv", gzip.compress(TAOBAO.encode()))
    assert ids(plain) == ids(packed)
    assert len(set(ids(plain))) == 2


def test_ids_are_the_same_at_every_pass_and_name_data_set_and_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TAOBAO)
    first = ids(path)
    assert first == ids(path)
    assert [(event_id.split("-")[0], event_id.split("-")[2]) for event_id in first] == [
        ("taobao", "1"),
        ("taobao", "2"),
    ]


def test_two_files_of_one_data_set_share_no_id(tmp_path: Path) -> None:
    one = write(tmp_path / "1.csv", TAOBAO)
    other = write(tmp_path / "2.csv", TAOBAO.replace("1715", "1716"))
    assert not set(ids(one)) & set(ids(other))


def test_a_file_that_has_grown_keeps_the_ids_of_its_old_rows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TAOBAO * 200)
    before = ids(path)
    write(path, TAOBAO * 300)
    assert ids(path)[: len(before)] == before


def test_a_file_of_another_format_is_refused_before_anything_of_it_is_yielded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user_id,item_id\n" + "1,2\n" * 500)
    rows = iter(open_loader("taobao", path))
    with pytest.raises(WrongFormat) as error:
        next(rows)
    assert str(error.value) == (
        "a.csv: must be in the format taobao, but each of its first 100 rows fails; "
        "line 1: row: must have 5 columns; got 2"
    )


def test_bad_rows_before_the_first_good_one_are_still_yielded(tmp_path: Path) -> None:
    rows = list(open_loader("taobao", write(tmp_path / "a.csv", "user,item,category,behaviour,time\n" + TAOBAO)))
    assert isinstance(rows[0], BadRow)
    assert [row.line_number for row in rows] == [1, 2, 3]


def test_an_empty_file_has_no_rows(tmp_path: Path) -> None:
    assert list(open_loader("taobao", write(tmp_path / "a.csv", ""))) == []


def test_a_gzip_file_cut_short_yields_what_is_whole_and_then_says_so(tmp_path: Path) -> None:
    lines = "".join(f"{n},{n * 7919 % 10007},1,pv,{1511658000 + n}\n" for n in range(50_000))
    path = write(tmp_path / "a.csv.gz", gzip.compress(lines.encode())[:100_000])
    rows = iter(open_loader("taobao", path))
    assert len(list(islice(rows, 1_000))) == 1_000
    with pytest.raises(UnreadableFile, match="the gzip data ends too early"):
        deque(rows, maxlen=0)


def test_bytes_that_are_not_utf_8_spoil_their_own_row_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TAOBAO.encode() + b"1,caf\xe9,3,pv,1511658000\n" + TAOBAO.encode())
    rows = list(open_loader("taobao", path))
    assert [type(row) for row in rows] == [LoadedEvent, LoadedEvent, BadRow, LoadedEvent, LoadedEvent]
    assert rows[2][1:3] == (3, "row: must be UTF-8")


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b"\xef\xbb\xbf" + TAOBAO.replace("\n", "\r\n").encode())
    events = [row.event for row in open_loader("taobao", path) if isinstance(row, LoadedEvent)]
    assert [event["user_id"] for event in events] == ["543462", "662867"]


def test_a_field_beyond_any_size_is_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", TAOBAO + "x" * 200_000 + "\n" + TAOBAO)
    rows = list(open_loader("taobao", path))
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [(row.line_number, row.reason) for row in bad] == [
        (3, "row: cannot be split into fields (field larger than field limit (131072))")
    ]
    assert len(rows) == 5


def test_how_much_was_read_reaches_the_size_of_the_file(tmp_path: Path) -> None:
    loader = open_loader("taobao", write(tmp_path / "a.csv.gz", gzip.compress(TAOBAO.encode())))
    assert loader.bytes_read == 0
    assert len(list(loader)) == 2
    assert loader.bytes_read == loader.total_bytes

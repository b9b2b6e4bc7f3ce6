"""What `liveshelf replay` refuses before it asks any API."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cli.problem import WRONG_USE, Problem
from cli.replay import run
from recommender.loaders import UnreadableFile

NOBODY = "http://127.0.0.1:1"
ROW = "1,2,3,pv,1511658000\n"


@pytest.fixture
def taobao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESHELF_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "a.csv"
    path.write_text(ROW)
    return path


def refused(dataset: str, file: Path, url: str = NOBODY, speed: str = "max") -> str:
    """Run the command; give what it says of its wrong use."""
    with pytest.raises(Problem) as error:
        run(dataset, file, url, speed, None, as_json=True)
    assert error.value.code == WRONG_USE
    return str(error.value)


@pytest.mark.parametrize(
    "url",
    ["localhost:8000", "127.0.0.1:8000", "http://", "http://127.0.0.1:port", "http://127.0.0.1:99999", "ftp://x", ""],
)
def test_an_address_that_is_none(taobao: Path, url: str) -> None:
    expected = f"--url: must be an address such as http://127.0.0.1:8000; got {url!r}"
    assert refused("taobao", taobao, url) == expected


@pytest.mark.parametrize("speed", ["fast", "0", "-1", "nan", "inf"])
def test_a_speed_that_is_neither_max_nor_a_positive_number(taobao: Path, speed: str) -> None:
    assert refused("taobao", taobao, speed=speed) == f"--speed: must be max or a positive number; got {speed!r}"


def test_an_unknown_data_set(taobao: Path) -> None:
    assert refused("netflix", taobao).startswith("dataset: must be one of taobao, ")


def test_a_file_that_is_missing(taobao: Path) -> None:
    assert refused("taobao", taobao / "none.csv").endswith("a.csv/none.csv: Not a directory")
    assert refused("taobao", taobao.with_name("none.csv")).endswith("none.csv: No such file or directory")


def test_a_folder_for_a_format_of_one_file(taobao: Path) -> None:
    assert refused("taobao", taobao.parent) == f"{taobao.parent}: taobao is read from a file; got a folder"


def test_a_damaged_file_is_a_failure_and_no_wrong_use(taobao: Path) -> None:
    taobao.write_bytes(gzip.compress(ROW.encode() * 9)[:12])
    with pytest.raises(UnreadableFile):
        run("taobao", taobao, NOBODY, "max", None, as_json=True)

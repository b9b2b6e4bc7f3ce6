"""What becomes of the shop's file of surfaces: taken into service, refused, emptied, removed, and after a restart."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from cli.problem import WRONG_USE, Problem
from cli.surfaces import run_check, run_show
from cli.up import run as up
from recommender.serving.surfaces import BadSurfaces, built_in, watch
from recommender.serving.surfaces.watch import SurfaceWatcher

LIMITED = "age_limits: [{filter: 'category == \"Wine\"', years: 18}]"
BROKEN = "surfaces: {home: {size: 0}}"


def limited(watcher: SurfaceWatcher) -> bool:
    return bool(watcher.book.content.age_limits)


def put(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "surfaces.yaml"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "surfaces.last.yaml"


@pytest.mark.parametrize("after", ["", "# all gone", BROKEN, None])
def test_what_is_in_service_stays_when_the_file_is_emptied_broken_or_removed(
    path: Path, kept: Path, after: str | None
) -> None:
    put(path, LIMITED)
    watcher = SurfaceWatcher(path, kept)
    assert watcher.problem is None

    if after is None:
        path.unlink()
    else:
        put(path, after)
    asyncio.run(watcher.look())

    assert limited(watcher)
    assert watcher.problem
    restarted = SurfaceWatcher(path, kept)
    assert limited(restarted), "so it does in a process that starts now"
    assert restarted.problem == watcher.problem


def test_a_process_that_starts_with_a_broken_file_says_so_in_the_log(
    path: Path, kept: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, LIMITED)
    SurfaceWatcher(path, kept)
    put(path, BROKEN)

    with caplog.at_level(logging.ERROR):
        SurfaceWatcher(path, kept)

    assert "surfaces.home.size" in caplog.text


@pytest.mark.parametrize("text", ["", BROKEN])
def test_a_process_that_starts_with_a_broken_file_and_has_no_copy_refuses(path: Path, kept: Path, text: str) -> None:
    put(path, text)

    with pytest.raises(BadSurfaces):
        SurfaceWatcher(path, kept)
    assert not kept.exists()


def test_an_explicit_nothing_goes_back_to_the_surfaces_of_every_shop(path: Path, kept: Path) -> None:
    put(path, LIMITED)
    watcher = SurfaceWatcher(path, kept)

    put(path, "surfaces: {}")
    asyncio.run(watcher.look())

    assert watcher.book.content == built_in().content
    assert watcher.problem is None
    assert kept.read_text() == "surfaces: {}"


def test_without_a_file_and_a_copy_the_surfaces_are_those_of_every_shop(path: Path, kept: Path) -> None:
    watcher = SurfaceWatcher(path, kept)

    assert watcher.book.content == built_in().content
    assert watcher.problem is None


def test_a_file_that_cannot_be_read_for_any_reason_does_not_end_the_watch(
    path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(path, LIMITED)
    watcher = SurfaceWatcher(path, kept)

    def too_much(_: Path) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(watch, "read_file", too_much)
        put(path, "surfaces: {home: {size: 3}}")
        asyncio.run(watcher.look())
        assert limited(watcher)
        assert watcher.problem == "must be readable; MemoryError"

    put(path, "surfaces: {home: {size: 4}}")
    asyncio.run(watcher.look())
    assert watcher.book.content.surfaces["home"].size == 4


def test_a_copy_that_cannot_be_written_keeps_nothing_from_service(path: Path, tmp_path: Path) -> None:
    put(path, LIMITED)

    assert limited(SurfaceWatcher(path, tmp_path / "missing" / "surfaces.last.yaml"))


def test_show_tells_all_that_the_file_says(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(
        path,
        """
        surfaces: {home: {filter: 'brand == "[red]"', exclude: {bought_days: 30, cart: true}, most_per_brand: 0.4}}
        campaigns:
        - {name: a, surfaces: [home], pins: [{item_id: i, position: 3}], boosts: [{filter: price < 9, factor: 2}]}
        """,
    )

    assert run_show(tmp_path, False) == 0

    shown = " ".join(capsys.readouterr().out.split())
    rules = ('"[red]"', "exclude: bought_days 30, cart", "most_per_brand: 0.4")
    for each in (*rules, "pin i at 3", "boost 2 for price < 9"):
        assert each in shown, each


def test_check_says_of_an_empty_file_that_it_is_empty(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.touch()

    assert run_check(path, False) == 1
    assert "got an empty file" in capsys.readouterr().err


def test_up_refuses_a_broken_file_before_anything_starts(path: Path, tmp_path: Path) -> None:
    put(path, BROKEN)

    with pytest.raises(Problem) as refused:
        up(tmp_path, None, None, None, None, False, True, None)

    assert refused.value.code == WRONG_USE
    assert str(refused.value).startswith(f"{path}: surfaces.home.size: ")
    assert str(refused.value).endswith("; got 0")
    assert {each.name for each in tmp_path.iterdir()} == {path.name}

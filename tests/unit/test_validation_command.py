"""``liveshelf validate`` where there is nothing to check; what it finds is tested in tests/integration."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli import main, validate
from cli.problem import Problem
from recommender.history import ensure_tables
from recommender.installation import Installation


def command(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["liveshelf", "validate", "--data-dir", str(data_dir), "--json"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_an_empty_history_is_said_to_be_empty_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    history_dir = Installation(tmp_path).history_dir
    ensure_tables(history_dir)
    assert command(tmp_path, monkeypatch) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"liveshelf: validate: history is empty; nothing to check in {history_dir}\n"
    assert not Installation(tmp_path).validation_dir.exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"^--data-dir: must be the folder of an installation; got .*nowhere$"):
        validate.run(tmp_path / "nowhere", as_json=True)

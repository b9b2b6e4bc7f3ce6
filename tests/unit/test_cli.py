from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

LIVESHELF = [str(Path(sys.executable).with_name("liveshelf"))]


def liveshelf(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*LIVESHELF, *map(str, arguments)], capture_output=True, text=True, env=env, timeout=60)


def seconds_of_help() -> float:
    started = time.perf_counter()
    assert liveshelf("--help").returncode == 0
    return time.perf_counter() - started


def test_help_comes_within_half_a_second() -> None:
    assert min(seconds_of_help() for _ in range(5)) < 0.5


def test_help_loads_nothing_heavy() -> None:
    code = "import cli.main, sys; print(*{'rich', 'feast', 'redis', 'pydantic', 'pandas'} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == ""


def test_the_version_is_that_of_the_package() -> None:
    assert liveshelf("-V").stdout == f"liveshelf {version('liveshelf')}\n"
    assert liveshelf("--version").stdout == liveshelf("-V").stdout


@pytest.mark.parametrize("command", [["status"], ["deadletters", "list"], ["deadletters", "purge"]])
def test_a_folder_that_is_no_installation_is_told_in_one_line(command: list[str], tmp_path: Path) -> None:
    answer = liveshelf(*command, "--data-dir", tmp_path / "nowhere")
    assert answer.returncode == 2
    assert (
        answer.stderr == f"liveshelf: --data-dir: must be the folder of an installation; got {tmp_path / 'nowhere'}\n"
    )


def test_a_wrong_setting_in_the_environment_is_told_in_one_line(tmp_path: Path) -> None:
    answer = liveshelf("status", "--data-dir", tmp_path, env={"LIVESHELF_PORT": "70000"})
    assert answer.returncode == 2
    assert answer.stderr == ("liveshelf: settings: port: Input should be less than or equal to 65535; got '70000'\n")


def test_an_address_where_no_redis_answers_is_told_in_one_line(tmp_path: Path) -> None:
    answer = liveshelf("up", "--data-dir", tmp_path, "--port", 1024, "--redis-url", "redis://user:secret@127.0.0.1:9/0")
    assert answer.returncode == 1
    assert answer.stderr == "liveshelf: --redis-url: no Redis answers at redis://127.0.0.1:9/0\n"


def test_a_data_folder_that_is_a_file_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = liveshelf("up", "--data-dir", tmp_path / "file")
    assert answer.returncode == 2
    assert answer.stderr.startswith("liveshelf: --data-dir: must be a folder that can be written; ")
    assert answer.stderr.count("\n") == 1


def test_an_unknown_command_is_wrong_use() -> None:
    answer = liveshelf("recommend")
    assert answer.returncode == 2
    assert "No such command 'recommend'" in answer.stderr

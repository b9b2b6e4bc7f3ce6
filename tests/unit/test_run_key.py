"""Commands ask the installation's own API; the key of its run goes there and to nobody else."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from cli.own_api import own_api
from recommender.installation import Installation, RunRecord, key_for
from recommender.settings import Settings


def installation(folder: Path, *, api_url: str = "http://127.0.0.1:8000", pid: int | None = None) -> Installation:
    own = psutil.Process()
    found = Installation(folder)
    started_at = own.create_time() if pid is None else 0.0
    found.write_run_record(RunRecord(pid or own.pid, started_at, "redis://x", api_url, api_key="of the run"))
    return found


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://127.0.0.1:8000/v1", "http://[::1]:8000"]
)
def test_the_own_api_is_shown_it(tmp_path: Path, url: str) -> None:
    assert key_for(installation(tmp_path), url) == "of the run"


OTHERS = [
    "http://127.0.0.1:8001",
    "http://192.0.2.7:8000",
    "http://shop.example:8000",
    "http://127.0.0.1.shop.example:8000",
    "http://127.0.0.1:8000@shop.example:8000",
    "https://127.0.0.1:8000",
    "http://127.0.0.1",
    "http://127.0.0.1:99999",
    "http://[::1:8000",
    "",
]


@pytest.mark.parametrize("url", OTHERS)
def test_nobody_else_is_shown_it(tmp_path: Path, url: str) -> None:
    assert key_for(installation(tmp_path), url) is None


def test_an_api_on_an_address_of_its_own_is_shown_it_there_alone(tmp_path: Path) -> None:
    here = installation(tmp_path, api_url="http://192.0.2.7:8000")
    assert key_for(here, "http://192.0.2.7:8000") == "of the run"
    assert key_for(here, "http://127.0.0.1:8000") is None


def test_a_run_that_has_ended_has_no_key(tmp_path: Path) -> None:
    assert key_for(installation(tmp_path, pid=2**22 + 1), "http://127.0.0.1:8000") is None
    assert key_for(Installation(tmp_path / "other"), "http://127.0.0.1:8000") is None


RUNS_AT = "http://127.0.0.1:8021"


def test_a_command_without_an_address_asks_what_runs_here(tmp_path: Path) -> None:
    installation(tmp_path, api_url=RUNS_AT)
    assert own_api(Settings(data_dir=tmp_path), None, None) == (RUNS_AT, "of the run")
    assert own_api(Settings(data_dir=tmp_path), None, "mine") == (RUNS_AT, "mine")


def test_an_address_that_is_given_comes_first(tmp_path: Path) -> None:
    installation(tmp_path, api_url=RUNS_AT)
    other = "http://127.0.0.1:8022"
    assert own_api(Settings(data_dir=tmp_path), other, None) == (other, None)


def test_where_nothing_runs_it_is_the_port_of_the_settings(tmp_path: Path) -> None:
    installation(tmp_path, api_url=RUNS_AT, pid=2**22 + 1)
    assert own_api(Settings(data_dir=tmp_path, port=8023), None, None) == ("http://127.0.0.1:8023", None)

"""Without keys only where nobody else can reach the API."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.app import create_app
from recommender.settings import Settings, UnsafeSettings
from tests.unit.test_cli import liveshelf

RULE = "dev: may be set only where host is a loopback address, such as 127.0.0.1; got host {!r}"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_the_api_may_ask_for_no_keys_on_a_loopback_address(host: str) -> None:
    create_app(Settings(dev=True, host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "shop.example", "localhost.example", ""])
def test_the_api_refuses_to_ask_for_no_keys_elsewhere(host: str) -> None:
    with pytest.raises(UnsafeSettings) as told:
        create_app(Settings(dev=True, host=host))
    assert str(told.value) == RULE.format(host)


def test_with_keys_it_may_listen_anywhere() -> None:
    create_app(Settings(dev=False, host="0.0.0.0"))


def test_the_process_of_the_api_ends_with_the_rule_and_nothing_else(tmp_path: Path) -> None:
    env = os.environ | {"LIVESHELF_DEV": "1", "LIVESHELF_HOST": "0.0.0.0", "LIVESHELF_DATA_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-m", "api"], capture_output=True, text=True, env=env, timeout=60)
    assert (done.returncode, done.stderr) == (1, f"api: {RULE.format('0.0.0.0')}\n")


def test_up_refuses_before_anything_starts(tmp_path: Path) -> None:
    done = liveshelf("up", "--data-dir", tmp_path / "data", "--host", "0.0.0.0", "--dev")
    assert (done.returncode, done.stderr) == (2, f"liveshelf: {RULE.format('0.0.0.0')}\n")
    assert not (tmp_path / "data").exists()

"""``liveshelf keys`` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.test_cli import liveshelf


def test_a_key_is_printed_alone_on_standard_output(tmp_path: Path) -> None:
    made = liveshelf("keys", "create", "--scope", "write", "--scope", "read", "--data-dir", tmp_path)
    assert made.returncode == 0
    key = made.stdout.rstrip("\n")
    assert key.startswith("lsk_")
    assert "\n" not in key
    assert "may read, write" in made.stderr
    assert key not in made.stderr


def test_what_is_kept_of_keys_is_listed_without_their_secrets(tmp_path: Path) -> None:
    made = json.loads(
        liveshelf(
            *("keys", "create", "--scope", "admin", "--rate", "600/minute", "--note", "ops", "--json"),
            *("--data-dir", tmp_path),
        ).stdout
    )
    listed = liveshelf("keys", "list", "--json", "--data-dir", tmp_path)
    (told,) = json.loads(listed.stdout)["keys"]
    assert told == {name: value for name, value in made.items() if name != "key"}
    assert (told["scopes"], told["rate"], told["note"], told["revoked_at"]) == (["admin"], "600/minute", "ops", None)
    secret = made["key"].rpartition("_")[2]
    text = liveshelf("keys", "list", "--data-dir", tmp_path).stdout
    assert secret not in listed.stdout + text
    assert told["key_id"] in text


def test_a_revoked_key_stays_listed_as_such(tmp_path: Path) -> None:
    made = json.loads(liveshelf("keys", "create", "--scope", "read", "--json", "--data-dir", tmp_path).stdout)
    revoked = json.loads(liveshelf("keys", "revoke", made["key_id"], "--json", "--data-dir", tmp_path).stdout)
    assert revoked["revoked_at"] is not None
    assert json.loads(liveshelf("keys", "list", "--json", "--data-dir", tmp_path).stdout)["keys"] == [revoked]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--scope", "all"), "--scope: must be one or more of read, write, admin; got all"),
        (("--scope", "read", "--rate", "many"), "--rate: must be COUNT/second, /minute, /hour or /day; got 'many'"),
        (("--scope", "read", "--note", "a\nb"), "--note: must be one line of at most 200 characters; got 3"),
    ],
)
def test_wrong_use_is_told(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    answer = liveshelf("keys", "create", *options, "--data-dir", tmp_path)
    assert (answer.returncode, answer.stderr) == (2, f"liveshelf: {told}\n")
    assert not (tmp_path / "api_keys.json").exists()


def test_a_damaged_file_is_told_and_left(tmp_path: Path) -> None:
    (tmp_path / "api_keys.json").write_text("{")
    answer = liveshelf("keys", "create", "--scope", "read", "--data-dir", tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("liveshelf: api_keys_file: must be as `liveshelf keys` writes it; got ")
    assert (tmp_path / "api_keys.json").read_text() == "{"

"""The file of keys, and who it says shows a key."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.keyring import Keyring
from recommender.api_keys import DamagedKeys, UnknownKey, create_key, is_rate, parts_of, read_keys, revoke_key
from recommender.settings import Settings

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "api_keys.json"


def keyring(file: Path, **settings: object) -> Keyring:
    return Keyring(Settings(data_dir=file.parent, **settings))


def test_the_file_holds_the_sha_256_of_the_secret_and_never_the_secret(file: Path) -> None:
    text, key = create_key(file, ["read"], now=NOW, note="the shop")
    prefix, key_id, secret = text.split("_")
    assert (prefix, key_id, len(secret)) == ("lsk", key.key_id, 48)
    assert secret not in file.read_text()
    assert json.loads(file.read_text())["keys"] == [
        {
            "key_id": key_id,
            "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
            "scopes": ["read"],
            "created_at": "2026-11-22T09:00:00+00:00",
            "rate": "",
            "note": "the shop",
            "revoked_at": None,
        }
    ]


def test_the_file_is_for_its_owner_alone(file: Path) -> None:
    os.umask(os.umask(0))
    create_key(file, ["read"], now=NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    revoke_key(file, read_keys(file)[0].key_id, now=NOW)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_made_at_the_same_time_are_all_kept(file: Path) -> None:
    threads = [threading.Thread(target=create_key, args=(file, ["read"]), kwargs={"now": NOW}) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({key.key_id for key in read_keys(file)}) == 20


def test_an_id_is_given_once(file: Path) -> None:
    given = iter(["aaaaaaaa", "0" * 48, "aaaaaaaa", "bbbbbbbb", "1" * 48])
    ids = [create_key(file, ["read"], now=NOW, token=lambda _: next(given))[1].key_id for _ in range(2)]
    assert ids == ["aaaaaaaa", "bbbbbbbb"]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"keys": [{"key_id": "x"}]}', b'{"keys": [], "more": 1}', b"\xff"]
)
def test_a_damaged_file_is_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(DamagedKeys):
        create_key(file, ["read"], now=NOW)
    with pytest.raises(DamagedKeys):
        revoke_key(file, "aaaaaaaa", now=NOW)
    assert file.read_bytes() == content


def test_an_unknown_key_cannot_be_revoked(file: Path) -> None:
    with pytest.raises(UnknownKey, match="keys: must be the id of a key; got 'aaaaaaaa'"):
        revoke_key(file, "aaaaaaaa", now=NOW)


def test_a_key_opens_what_it_was_made_for(file: Path) -> None:
    text, key = create_key(file, ["write", "read"], now=NOW, rate="600/minute")
    holder = keyring(file).holder(text.encode())
    assert holder == (key.key_id, {"read", "write"}, "600/minute")


def test_the_setting_is_the_rate_of_keys_without_one(file: Path) -> None:
    text, _ = create_key(file, ["read"], now=NOW)
    fast, _ = create_key(file, ["read"], now=NOW, rate="9/second")
    ring = keyring(file, rate_limit="600/minute")
    assert [ring.holder(each.encode()).rate for each in (text, fast)] == ["600/minute", "9/second"]  # type: ignore[union-attr]


def test_whatever_differs_from_a_key_opens_nothing(file: Path) -> None:
    text, key = create_key(file, ["read"], now=NOW)
    other, _ = create_key(file, ["admin"], now=NOW)
    ring = keyring(file)
    mixed = f"lsk_{key.key_id}_{other.rpartition('_')[2]}"
    wrong = [
        text[:-1],
        text + "0",
        text.upper(),
        mixed,
        text.replace("lsk", "key"),
        f" {text}",
        "",
        "lsk__",
        key.key_id,
    ]
    wrong += [f"lsk_{key.key_id}_{key.secret_sha256}", f"lsk_{'0' * 8}_{'0' * 48}", "lsk_ü_\udcff"]
    for shown in wrong:
        assert ring.holder(shown.encode("utf-8", "surrogatepass")) is None, shown
    assert ring.holder(bytes(range(256))) is None
    assert ring.holder(text.encode()) is not None


def test_a_revoked_key_opens_nothing_once_the_file_is_read_again(file: Path) -> None:
    text, key = create_key(file, ["read"], now=NOW)
    other, _ = create_key(file, ["read"], now=NOW)
    ring = keyring(file)
    assert ring.holder(text.encode()) is not None
    revoke_key(file, key.key_id, now=NOW)
    assert ring.holder(text.encode()) is not None
    ring.refresh()
    assert ring.holder(text.encode()) is None
    assert ring.holder(other.encode()) is not None


def test_a_new_key_opens_once_the_file_is_read_again(file: Path) -> None:
    ring = keyring(file)
    text, _ = create_key(file, ["read"], now=NOW)
    assert ring.holder(text.encode()) is None
    ring.refresh()
    assert ring.holder(text.encode()) is not None


@pytest.mark.parametrize("content", [b"", b"{", b'{"keys": 1}'])
def test_with_a_damaged_file_the_keys_stay_as_they_were_and_it_is_told(file: Path, content: bytes) -> None:
    text, _ = create_key(file, ["read"], now=NOW)
    whole = file.read_bytes()
    ring = keyring(file)
    file.write_bytes(content)
    ring.refresh()
    assert ring.holder(text.encode()) is not None
    (warning,) = ring.warnings()
    assert warning == "api_keys_file: cannot be read; the keys stay as they were, the reason is in the log"
    file.write_bytes(whole)
    ring.refresh()
    assert ring.warnings() == []


def test_without_any_key_it_is_told_that_all_is_refused(file: Path) -> None:
    (warning,) = keyring(file).warnings()
    assert warning.startswith("keys: there is none, so every request to /v1 is refused")
    assert keyring(file, admin_key="a long text of one's own").warnings() == []


def test_an_admin_key_that_can_be_guessed_is_told_without_telling_it(file: Path) -> None:
    (warning,) = keyring(file, admin_key="shop123").warnings()
    assert warning == "admin_key: should have at least 20 characters; got 7"


def test_keys_of_the_settings_open_beside_those_of_the_file(file: Path) -> None:
    text, _ = create_key(file, ["read"], now=NOW)
    ring = keyring(file, admin_key="ä long text", run_key="of the run", rate_limit="1/hour")
    assert ring.holder("ä long text".encode()) == ("admin", {"admin"}, "")
    assert ring.holder(b"of the run") == ("run", {"read", "write", "admin"}, "")
    assert ring.holder(text.encode()) is not None
    assert ring.holder(b"") is None


def test_an_empty_key_in_the_settings_is_none(file: Path) -> None:
    assert keyring(file, admin_key="", run_key="").holder(b"") is None


@pytest.mark.parametrize("rate", ["1/second", "600/minute", "999999999/day"])
def test_a_rate_is_a_count_and_a_time(rate: str) -> None:
    assert is_rate(rate)


@pytest.mark.parametrize(
    "rate", ["", "0/second", "600", "600/week", "600 / minute", "-1/second", "1.5/second", "1/second;"]
)
def test_anything_else_is_no_rate(rate: str) -> None:
    assert not is_rate(rate)


def test_the_parts_of_a_key_are_read_whole_or_not_at_all() -> None:
    assert parts_of(f"lsk_{'a' * 8}_{'0' * 48}") == ("a" * 8, "0" * 48)
    assert parts_of(f"lsk_{'a' * 8}_{'0' * 48}\n") is None

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import redis

from cli.deadletters import run_list, run_purge, run_replay, run_show
from cli.problem import Problem
from recommender.deadletters import RedisDeadLetters, dead_letter
from recommender.embedded_redis import redis_of
from recommender.eventlog import open_event_log
from recommender.settings import Settings

VIEW = {"kind": "view", "event_id": "e1", "event_time": "2026-01-01T10:00:00Z", "user_id": "anna", "item_id": "boot"}
GOOD = json.dumps(VIEW).encode()
BAD = json.dumps(VIEW | {"item_id": None}).encode()

RULE = {"count": 1, "source": "api", "reason": "too strict", "whole": True}


@pytest.fixture
def folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert settings.redis_url is not None
    monkeypatch.setenv("LIVESHELF_REDIS_URL", settings.redis_url)
    settings.data_dir.mkdir()
    return settings.data_dir


def keep(url: str, *payloads: bytes) -> list[str]:
    letters = [dead_letter("api", "too strict", payload, 1000.0 + n) for n, payload in enumerate(payloads)]
    with redis.Redis.from_url(url) as client:
        RedisDeadLetters(client).add(letters)
    return [letter.letter_id for letter in letters]


def events_in_the_log(settings: Settings) -> list[bytes]:
    log = open_event_log(settings)
    entries = [entry.payload for partition in log.partitions() for entry in log.read(partition, "", 100)]
    log.close()
    return entries


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_letters_are_listed_the_newest_first_without_their_payload(
    folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    older, newer = keep(redis_url, BAD, GOOD)
    assert run_list(folder, 20, True) == 0
    assert printed(capsys) == {
        "count": 2,
        "letters": [
            {"letter_id": newer, "first_seen": "1970-01-01T00:16:41+00:00", "last_seen": "1970-01-01T00:16:41+00:00"}
            | RULE,
            {"letter_id": older, "first_seen": "1970-01-01T00:16:40+00:00", "last_seen": "1970-01-01T00:16:40+00:00"}
            | RULE,
        ],
    }


def test_a_list_tells_how_often_and_since_when(
    folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (letter_id,) = keep(redis_url, BAD)
    keep(redis_url, GOOD, BAD)
    assert run_list(folder, 1, False) == 0
    assert capsys.readouterr().out == (
        f"{letter_id}  1970-01-01T00:16:40+00:00 .. 1970-01-01T00:16:41+00:00  2x  api  too strict\n"
    )


def test_replay_does_not_send_a_payload_that_is_not_what_came(
    folder: Path, settings: Settings, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Escaped, the byte FF and the backslash before it make a valid event, but another one.
    (letter_id,) = keep(redis_url, GOOD.replace(b"boot", b"boot\\\xff"))
    assert run_replay([letter_id], None, folder, True) == 1
    assert printed(capsys)["letters"][0]["reason"].startswith("event: cut, not UTF-8")
    assert events_in_the_log(settings) == []

    (tmp_path / "mended.json").write_bytes(GOOD)
    assert run_replay([letter_id], tmp_path / "mended.json", folder, True) == 0
    assert len(events_in_the_log(settings)) == 1


def test_a_letter_is_shown_whole(folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    (letter_id,) = keep(redis_url, BAD)
    assert run_show(letter_id, folder, True) == 0
    assert printed(capsys)["payload"] == BAD.decode()


def test_replay_takes_what_is_valid_now_and_keeps_the_rest(
    folder: Path, settings: Settings, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, bad = keep(redis_url, GOOD, BAD)
    assert run_replay([], None, folder, True) == 1
    assert printed(capsys) == {
        "replayed": 2,
        "accepted": 1,
        "refused": 1,
        "letters": [{"letter_id": bad, "reason": "view.item_id: Input should be a valid string; got None"}],
    }
    assert [json.loads(event)["event_id"] for event in events_in_the_log(settings)] == ["e1"]
    with redis.Redis.from_url(redis_url) as client:
        assert [letter.letter_id for letter in RedisDeadLetters(client).list()] == [bad]


def test_replay_refuses_an_event_from_the_future(
    folder: Path, settings: Settings, redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    next_year = f"{datetime.now(UTC).year + 1}-06-01T00:00:00Z"
    keep(redis_url, json.dumps(VIEW | {"event_time": next_year}).encode())
    assert run_replay([], None, folder, True) == 1
    assert "must not be more than 5 minutes ahead" in printed(capsys)["letters"][0]["reason"]
    assert events_in_the_log(settings) == []


def test_a_mended_event_goes_in_place_of_its_letter(
    folder: Path, settings: Settings, redis_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (letter_id,) = keep(redis_url, BAD)
    (tmp_path / "mended.json").write_bytes(GOOD)
    assert run_replay([letter_id], tmp_path / "mended.json", folder, True) == 0
    assert printed(capsys)["accepted"] == 1
    assert [json.loads(event)["item_id"] for event in events_in_the_log(settings)] == ["boot"]


def test_a_mended_event_needs_one_letter(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        run_replay([], tmp_path / "mended.json", folder, True)
    assert str(caught.value) == "--file: goes with the id of one letter; got 0 ids"


def test_purge_drops_the_letters_named(folder: Path, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = keep(redis_url, GOOD, BAD)
    assert run_purge([first], folder, False, True) == 0
    assert printed(capsys) == {"purged": 1}
    with redis.Redis.from_url(redis_url) as client:
        assert [letter.letter_id for letter in RedisDeadLetters(client).list()] == [second]


def test_purge_of_all_wants_a_yes(
    folder: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(redis_url, GOOD, BAD)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: SIM115
    with pytest.raises(Problem):
        run_purge([], folder, False, True)
    assert run_purge([], folder, True, True) == 0
    assert printed(capsys) == {"purged": 2}


def test_an_unknown_letter_is_told(folder: Path) -> None:
    with pytest.raises(Problem) as caught:
        run_show("nonesuch", folder, True)
    assert str(caught.value) == "deadletters: must be the id of a letter that is kept; got nonesuch"


def test_letters_of_a_stopped_installation_are_reached_by_starting_its_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LIVESHELF_REDIS_URL", raising=False)
    stopped = Settings(data_dir=tmp_path / "data")
    with redis_of(stopped, "a test") as url:
        (letter_id,) = keep(url, GOOD)
    assert run_replay([letter_id], None, stopped.data_dir, True) == 0
    assert printed(capsys)["accepted"] == 1
    with redis_of(stopped, "a test") as url:
        assert len(events_in_the_log(stopped.model_copy(update={"redis_url": url}))) == 1

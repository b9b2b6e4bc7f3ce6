from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from recommender.deadletters import RedisDeadLetters
from recommender.settings import Settings
from tests.conftest import free_port
from tests.e2e.api_server import running_api, wait_until
from tests.e2e.bad_input import BAD_INPUTS, BadInput, as_markdown


@pytest.fixture(scope="module")
def api(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(data_dir=folder / "data", redis_url=redis_server, port=free_port(), dev=True)
    with running_api(settings, folder / "api.log") as client:
        yield client


@pytest.mark.parametrize("bad", BAD_INPUTS, ids=[bad.what for bad in BAD_INPUTS])
def test_bad_input_is_refused_with_status_and_reason(api: httpx.Client, bad: BadInput) -> None:
    headers = {"content-type": bad.content_type} if bad.method != "GET" else {}

    answer = api.request(bad.method, bad.path, content=bad.body, headers=headers)

    assert answer.status_code == bad.status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (bad.code, bad.message)


def test_there_are_more_than_forty_bad_inputs_and_the_page_is_up_to_date() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "bad_input.md"

    assert len(BAD_INPUTS) >= 40
    assert page.read_text() == as_markdown() + "\n"


def test_good_events_in_a_batch_are_accepted_beside_bad_ones(api: httpx.Client) -> None:
    good = {"kind": "view", "event_id": "e-1", "event_time": "2026-01-02T03:04:05Z", "user_id": "u", "item_id": "i"}
    bad = good | {"event_id": "e-2", "price_cents": -5, "currency": "EUR"}

    answer = api.post("/v1/events", json=[good, bad])

    assert answer.status_code == 202
    assert answer.json() == {
        "accepted": 1,
        "rejected": 1,
        "results": [
            {"index": 0, "event_id": "e-1", "status": "accepted"},
            {
                "index": 1,
                "event_id": "e-2",
                "status": "rejected",
                "error": "view.price_cents: Input should be greater than or equal to 0; got -5",
            },
        ],
    }


def test_a_refused_event_becomes_a_dead_letter(api: httpx.Client, redis_server: str) -> None:
    event_id = uuid.uuid4().hex
    api.post("/v1/events", json={"kind": "hover", "event_id": event_id})

    with redis.Redis.from_url(redis_server) as client:
        letters = RedisDeadLetters(client)
        wait_until(lambda: any(event_id in letter.payload for letter in letters.list(1_000)))
        letter = next(letter for letter in letters.list(1_000) if event_id in letter.payload)
    assert letter.source == "api"
    assert letter.reason.startswith("event.kind: must be one of")


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_large(api: httpx.Client) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    try:
        answer = api.post("/v1/events", content=endless(), headers={"content-type": "application/json"})
    except httpx.WriteError:
        return  # the service had closed the connection before all was sent
    assert answer.status_code == 413


def test_errors_show_no_trace_of_the_code(api: httpx.Client) -> None:
    for bad in BAD_INPUTS:
        text = api.request(bad.method, bad.path, content=bad.body, headers={"content-type": bad.content_type}).text
        assert "Traceback" not in text
        assert ".py" not in text

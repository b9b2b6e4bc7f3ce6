"""Hidden items in a real Redis, and in one that takes no changes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import redis
import redis.asyncio

from api.app import create_app
from api.hidden import MOST_HIDDEN
from recommender.serving.slate_store import hidden_place
from recommender.settings import Settings

REFUSALS = [("maxmemory", "1", "0"), ("min-replicas-to-write", "1", "0")]


@pytest.fixture(params=REFUSALS, ids=[name for name, _, _ in REFUSALS])
def unwritable(request: pytest.FixtureRequest, redis_url: str) -> Iterator[str]:
    name, value, before = request.param
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(hidden_place("ada"), "full-moon")
        client.config_set(name, value)
        yield redis_url
        client.config_set(name, before)


def ask(redis_url: str, folder: Path, *calls: tuple[str, str]) -> list[httpx.Response]:
    async def scenario() -> list[httpx.Response]:
        app = create_app(Settings(data_dir=folder, redis_url=redis_url, dev=True))
        async with redis.asyncio.from_url(redis_url) as client:
            app.state.backend = SimpleNamespace(redis=client)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as http:
                return [await http.request(*call) for call in calls]

    return asyncio.run(scenario())


@pytest.mark.parametrize("call", [("PUT", "full"), ("DELETE", "full-moon")])
def test_a_redis_that_takes_no_changes_is_a_503_and_is_still_read(
    unwritable: str, tmp_path: Path, call: tuple[str, str]
) -> None:
    method, item = call

    changed, read = ask(unwritable, tmp_path, (method, f"/v1/users/ada/hidden/{item}"), ("GET", "/v1/users/ada/hidden"))

    assert changed.status_code == 503
    assert changed.json()["error"]["code"] == "store_unavailable"
    assert changed.headers["retry-after"] == "1"
    assert (read.status_code, read.json()["item_ids"]) == (200, ["full-moon"])


def test_a_thousand_items_are_hidden_and_no_more(redis_url: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.sadd(hidden_place("ada"), *(f"i{number}" for number in range(MOST_HIDDEN - 1)))

    answers = ask(
        redis_url, tmp_path, *(("PUT", f"/v1/users/ada/hidden/{item}") for item in ("last", "last", "one-more"))
    )

    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert len(answers[1].json()["item_ids"]) == MOST_HIDDEN
    assert answers[2].json()["error"]["message"] == "hidden: must be at most 1,000 items; got one more"

"""Limits of keys, counted in a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis

from api.app import create_app
from api.rate_limits import RateLimits, Wait
from recommender.api_keys import create_key
from recommender.settings import Settings

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
NOWHERE = "redis://127.0.0.1:9/0"


class Counted:
    """Limits of one process, with a clock of its own and a count of requests that nobody looked at."""

    def __init__(self, redis_url: str) -> None:
        self.now = 1_000.0
        self.unchecked = 0
        self.limits = RateLimits(lambda: redis_url, self._count, lambda: self.now, patience_s=5.0)

    def _count(self) -> None:
        self.unchecked += 1

    async def passing(self, times: int, rate: str = "100/hour", key_id: str = "a") -> int:
        taken = [await self.limits.take(key_id, rate) for _ in range(times)]
        return taken.count(None)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


def test_as_many_pass_as_the_limit_says(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        assert await one.passing(150) == 100
        assert await one.passing(10, key_id="b") == 10
        assert one.unchecked == 0
        await one.limits.close()

    run(scenario)


@pytest.mark.parametrize("rate", ["1/hour", "7/hour", "19/hour", "21/hour", "59/hour"])
def test_a_small_limit_is_exact(redis_url: str, rate: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        assert await one.passing(80, rate) == int(rate.partition("/")[0])
        await one.limits.close()

    run(scenario)


def test_several_processes_share_a_limit(redis_url: str) -> None:
    async def scenario() -> None:
        processes = [Counted(redis_url) for _ in range(4)]
        passed = 0
        for _ in range(60):
            for process in processes:
                passed += await process.passing(1)
        assert passed == 100
        for process in processes:
            await process.limits.close()

    run(scenario)


def test_requests_at_the_same_time_are_counted_each(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        found = await asyncio.gather(*(one.limits.take("a", "100/hour") for _ in range(300)))
        assert found.count(None) == 100
        await one.limits.close()

    run(scenario)


def test_redis_is_asked_once_for_each_portion(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        await one.passing(1, "1000/hour")
        with redis.Redis.from_url(redis_url) as client:
            before = client.info("commandstats")
            await one.passing(499, "1000/hour")
            after = client.info("commandstats")
        asked = sum(
            after[name]["calls"] - before.get(name, {"calls": 0})["calls"] for name in after if "evalsha" in name
        )
        assert asked == 9  # 10 portions of 50, the first of which was there
        await one.limits.close()

    run(scenario)


def test_what_is_left_of_a_portion_lapses_with_the_window(redis_url: str) -> None:
    async def scenario() -> None:
        one, other = Counted(redis_url), Counted(redis_url)
        assert await one.passing(1) == 1  # four more are at hand
        assert await other.passing(200) == 95
        one.now += 3_601
        assert await one.passing(10) == 0
        for each in (one, other):
            await each.limits.close()

    run(scenario)


def test_a_refusal_says_when_there_is_room_again(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        await one.passing(100)
        wait = await one.limits.take("a", "100/hour")
        assert isinstance(wait, Wait)
        assert (wait.amount, wait.window_s) == (100, 3_600)
        assert 0 < wait.seconds <= 3_600
        await one.limits.close()

    run(scenario)


def test_there_is_room_again_after_the_window(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        one.limits._clock = asyncio.get_running_loop().time
        assert 100 <= await one.passing(300, "100/second") < 300
        async with asyncio.timeout(10):
            while await one.passing(1, "100/second") == 0:
                await asyncio.sleep(0.01)
        await one.limits.close()

    run(scenario)


def test_without_redis_all_pass_and_are_counted() -> None:
    async def scenario() -> None:
        one = Counted(NOWHERE)
        assert await one.passing(150) == 150
        assert one.unchecked == 150

    run(scenario)


def test_once_redis_is_back_it_counts_again(redis_url: str) -> None:
    async def scenario() -> None:
        places = iter([NOWHERE, redis_url])
        one = Counted(NOWHERE)
        assert await one.passing(5, "3/hour") == 5
        one.limits = RateLimits(lambda: next(places), one._count, lambda: one.now, patience_s=5.0)
        assert await one.passing(5, "3/hour") == 5
        await one.limits.close()
        one.limits = RateLimits(lambda: next(places), one._count, lambda: one.now, patience_s=5.0)
        assert await one.passing(5, "3/hour") == 3
        await one.limits.close()

    run(scenario)


def test_redis_that_was_busy_for_a_moment_is_asked_again_soon(redis_url: str) -> None:
    async def scenario() -> None:
        one = Counted(redis_url)
        assert await one.passing(1, "3/hour") == 1
        one.limits._patience_s = 0.05
        with redis.Redis.from_url(redis_url) as client:
            client.client_pause(300)
            assert await one.passing(3, "3/hour") == 3
            assert one.unchecked == 3
            await asyncio.to_thread(client.ping)  # answered when the pause is over
        one.limits._patience_s = 5.0
        one.now += 10.0  # twice its patience
        assert await one.passing(5, "3/hour") in (1, 2)  # what was asked in the pause may have been counted
        assert one.unchecked == 3
        await one.limits.close()

    run(scenario)


def test_the_api_answers_429_with_what_the_caller_must_know(redis_url: str, tmp_path: Path) -> None:
    slow, _ = create_key(tmp_path / "api_keys.json", ["admin"], now=NOW, rate="3/hour")
    free, _ = create_key(tmp_path / "api_keys.json", ["admin"], now=NOW)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url, deadline_ms=5_000)
    app = create_app(settings)

    async def scenario() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            found = [await client.get("/v1/models", headers={"x-api-key": slow}) for _ in range(5)]
            others = [await client.get("/v1/models", headers={"x-api-key": free}) for _ in range(5)]
        assert [answer.status_code for answer in found[3:]] == [429, 429]
        assert 429 not in [answer.status_code for answer in [*found[:3], *others]]
        last = found[-1]
        seconds = int(last.headers["retry-after"])
        assert 1 <= seconds <= 3_600
        assert last.headers["ratelimit-policy"] == '"key";q=3;w=3600'
        assert last.headers["ratelimit"] == f'"key";r=0;t={seconds}'
        message = f"requests: must be at most 3/hour with this key; try again in {seconds} s"
        assert last.json()["error"] == {"code": "too_many_requests", "message": message, "details": []}

    run(scenario)


def test_a_refused_request_takes_nothing_of_the_limit(redis_url: str, tmp_path: Path) -> None:
    key, _ = create_key(tmp_path / "api_keys.json", ["read"], now=NOW, rate="3/hour")
    app = create_app(Settings(data_dir=tmp_path, redis_url=redis_url, deadline_ms=5_000))

    async def scenario() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            forbidden = [await client.get("/v1/models", headers={"x-api-key": key}) for _ in range(9)]
            allowed = [await client.get("/v1/trending", headers={"x-api-key": key}) for _ in range(4)]
        assert {answer.status_code for answer in forbidden} == {403}
        assert [answer.status_code == 429 for answer in allowed] == [False, False, False, True]

    run(scenario)


def test_no_secret_of_a_key_reaches_redis(redis_url: str, tmp_path: Path) -> None:
    key, _ = create_key(tmp_path / "api_keys.json", ["admin"], now=NOW, rate="3/hour")
    app = create_app(Settings(data_dir=tmp_path, redis_url=redis_url, deadline_ms=5_000))

    async def scenario() -> None:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://liveshelf") as client:
            await client.get("/v1/models", headers={"x-api-key": key})

    run(scenario)
    with redis.Redis.from_url(redis_url) as client:
        names = [name.decode() for name in client.keys("*")]
    assert any(name.startswith("liveshelf:rate:") for name in names), names
    assert not any(key.rpartition("_")[2] in name for name in names)

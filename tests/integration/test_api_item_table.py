"""The item table follows a real Redis' change notices. (The rows themselves come from memory.)"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import redis
import redis.asyncio

from recommender.changes import ChangePublisher, ChangeReader
from recommender.serving.item_table import ItemTable
from recommender.serving.refresh import TableRefresher
from tests.spec.test_slate import NOW_US, activity, catalogue
from tests.unit.serving_fakes import FakeFeatures

DEADLINE_S = 10.0


@asynccontextmanager
async def following(redis_url: str, features: FakeFeatures) -> AsyncIterator[tuple[ItemTable, TableRefresher]]:
    client = redis.asyncio.Redis.from_url(redis_url)
    table = ItemTable()
    refresher = TableRefresher(table, features, ChangeReader(client))
    task = asyncio.create_task(refresher.run())
    try:
        await until(lambda: refresher.loaded)
        yield table, refresher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.01)


def is_available(table: ItemTable, item_id: str) -> bool:
    row = table.row_of(item_id)
    return row is not None and bool(table.available[row])


def publisher(redis_url: str) -> ChangePublisher:
    return ChangePublisher(redis.Redis.from_url(redis_url))


def test_what_the_store_holds_at_the_start_is_loaded(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(*(catalogue(f"i{number}", "A", 1) for number in range(250)), activity("seen", 1.0, [], []))
        async with following(redis_url, features) as (table, _):
            assert table.items == 251
            assert is_available(table, "seen")

    asyncio.run(scenario())


def test_a_sold_out_item_is_known_as_soon_as_it_is_noticed(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(catalogue("tent", "A", 1))
        async with following(redis_url, features) as (table, _):
            features.write(catalogue("tent", "A", 0, NOW_US + 1))
            publisher(redis_url).publish("item_catalogue", ["tent"])
            await until(lambda: not is_available(table, "tent"))

    asyncio.run(scenario())


def test_a_change_during_loading_is_not_missed(redis_url: str) -> None:
    class SellsOutWhileLoading(FakeFeatures):
        def read(self, row_type, keys):
            rows = super().read(row_type, keys)
            if row_type.view == "item_catalogue" and len(self.reads) == 1:
                self.write(catalogue("tent", "A", 0, NOW_US + 1))
                publisher(redis_url).publish("item_catalogue", ["tent"])
            return rows

    async def scenario() -> None:
        features = SellsOutWhileLoading()
        features.write(catalogue("tent", "A", 1))
        async with following(redis_url, features) as (table, _):
            await until(lambda: not is_available(table, "tent"))

    asyncio.run(scenario())


def test_a_new_item_is_read_from_both_views(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        async with following(redis_url, features) as (table, _):
            features.write(catalogue("tent", "A", 0), activity("tent", 4.0, [], []))
            publisher(redis_url).publish("item_activity", ["tent"])
            await until(lambda: table.row_of("tent") is not None)
            assert not is_available(table, "tent")
            assert table.trend[0] > 0

    asyncio.run(scenario())


def test_an_item_looked_at_all_the_time_is_read_a_few_times_only(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(catalogue("tent", "A", 1), activity("tent", 1.0, [], []))
        async with following(redis_url, features) as (table, _):
            before = len(features.reads)
            publish = publisher(redis_url).publish
            for number in range(200):
                features.write(activity("tent", 2.0 + number, [], [], NOW_US + number))
                publish("item_activity", ["tent"])
                await asyncio.sleep(0.001)
            last = activity("tent", 500.0, ["road"], [], NOW_US + 1_000)
            features.write(last)
            publish("item_activity", ["tent"])
            await until(lambda: len(table.also_viewed[0].rows) == 1)
            assert len(features.reads) - before <= 6

    asyncio.run(scenario())


def test_a_store_that_was_away_is_followed_again_from_where_it_was(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(catalogue("tent", "A", 1))
        async with following(redis_url, features) as (table, refresher):
            features.broken = True
            features.write(catalogue("tent", "A", 0, NOW_US + 1))
            publisher(redis_url).publish("item_catalogue", ["tent"])
            await until(lambda: refresher.failure is not None)
            features.broken = False
            await until(lambda: not is_available(table, "tent"))
            await until(lambda: refresher.failure is None)

    asyncio.run(scenario())


def test_when_the_notices_are_lost_everything_is_read_again(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(catalogue("tent", "A", 1))
        publisher(redis_url).publish("item_catalogue", ["tent"])
        async with following(redis_url, features) as (table, _):
            features.write(catalogue("tent", "A", 0, NOW_US + 1))
            redis.Redis.from_url(redis_url).flushall()
            await until(lambda: not is_available(table, "tent"))

    asyncio.run(scenario())


def test_a_reader_knows_whether_notices_behind_a_position_were_lost(redis_url: str) -> None:
    async def scenario() -> None:
        client = redis.asyncio.Redis.from_url(redis_url)
        reader = ChangeReader(client)
        assert await reader.holds("0-0")
        publisher(redis_url).publish("user", ["u"])
        position = await reader.last_position()
        assert await reader.holds(position)
        publisher(redis_url).publish("user", ["u"])
        assert await reader.holds(position)
        redis.Redis.from_url(redis_url).xtrim("liveshelf:changes", maxlen=1, approximate=False)
        assert not await reader.holds(position)
        redis.Redis.from_url(redis_url).delete("liveshelf:changes")
        assert not await reader.holds(position)
        await client.aclose()

    asyncio.run(scenario())

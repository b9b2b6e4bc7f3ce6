"""The item table follows a real Redis' change notices. (The rows themselves come from memory.)"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import redis
import redis.asyncio

from recommender.changes import ChangeNotice, ChangePublisher, ChangeReader
from recommender.serving.item_table import ItemTable
from recommender.serving.refresh import ACTIVITY_EVERY_S, TableRefresher, nothing
from tests.spec.test_slate import NOW_US, activity, catalogue
from tests.unit.serving_fakes import FakeFeatures

DEADLINE_S = 10.0


@asynccontextmanager
async def following(
    redis_url: str, features: FakeFeatures, heed: Callable[[Sequence[ChangeNotice]], None] = nothing
) -> AsyncIterator[tuple[ItemTable, TableRefresher]]:
    client = redis.asyncio.Redis.from_url(redis_url)
    table = ItemTable()
    refresher = TableRefresher(table, features, ChangeReader(client), heed=heed)
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
            before, began = len(features.reads), time.monotonic()
            publish = publisher(redis_url).publish
            for number in range(200):
                features.write(activity("tent", 2.0 + number, [], [], NOW_US + number))
                publish("item_activity", ["tent"])
                await asyncio.sleep(0.001)
            last = activity("tent", 500.0, ["road"], [], NOW_US + 1_000)
            features.write(last)
            publish("item_activity", ["tent"])
            await until(lambda: len(table.also_viewed[0].rows) == 1)
            assert len(features.reads) - before <= 6 + (time.monotonic() - began) / ACTIVITY_EVERY_S

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


class SlowFeatures(FakeFeatures):
    """Rows are read only while the door is open."""

    def __init__(self) -> None:
        super().__init__()
        self.door = threading.Event()
        self.door.set()

    def read(self, row_type, keys):
        assert self.door.wait(DEADLINE_S)
        return super().read(row_type, keys)


def test_notices_are_heeded_and_the_heart_beats_while_rows_are_waited_for(redis_url: str) -> None:
    async def scenario() -> None:
        features, heeded = SlowFeatures(), []
        features.write(catalogue("tent", "A", 1))
        async with following(redis_url, features, heeded.extend) as (table, refresher):
            features.door.clear()
            features.write(catalogue("tent", "A", 0, NOW_US + 1))
            for view, key in (("item_catalogue", "tent"), ("session", "s"), ("item_catalogue", "road")):
                publisher(redis_url).publish(view, [key])
            await until(lambda: [(each.view, each.keys) for each in heeded][-1:] == [("item_catalogue", ("road",))])
            assert [each.view for each in heeded] == ["item_catalogue", "session", "item_catalogue"]
            then = time.monotonic()
            await until(lambda: refresher.followed_at > then)
            assert is_available(table, "tent")
            features.door.set()
            await until(lambda: not is_available(table, "tent"))

    asyncio.run(scenario())


def test_an_item_that_changes_while_it_waits_or_is_read_is_read_once_more(redis_url: str) -> None:
    async def scenario() -> None:
        features, heeded = SlowFeatures(), []
        features.write(*(catalogue(item_id, "A", 1) for item_id in ("road", "tent")))
        async with following(redis_url, features, heeded.extend) as (table, _):
            features.door.clear()
            before = len(features.reads)
            for number in range(20):
                features.write(catalogue("tent", "A", number % 2, NOW_US + 1 + number))
                publisher(redis_url).publish("item_catalogue", ["tent"])
                await asyncio.sleep(0.005)
            features.write(catalogue("tent", "A", 0, NOW_US + 100))
            publisher(redis_url).publish("item_catalogue", ["tent"])
            await until(lambda: len(heeded) == 21)
            features.door.set()
            await until(lambda: not is_available(table, "tent"))
            await asyncio.sleep(0.1)
            assert len(features.reads) - before <= 2

    asyncio.run(scenario())


def test_what_can_be_sold_is_read_before_what_is_in_demand(redis_url: str) -> None:
    async def scenario() -> None:
        features, heeded = SlowFeatures(), []
        ids = [f"i{number}" for number in range(250)]
        features.write(*(catalogue(item_id, "A", 1) for item_id in ids))
        async with following(redis_url, features, heeded.extend):
            features.door.clear()
            publisher(redis_url).publish("item_catalogue", ids[:1])  # is waited for at the door
            before = len(features.reads)
            publisher(redis_url).publish("item_activity", ids)
            publisher(redis_url).publish("item_catalogue", ids)
            await until(lambda: len(heeded) == 3)
            features.door.set()
            await until(lambda: sum(len(keys) for _, keys in features.reads[before:]) >= 501)
            views = [view for view, _ in features.reads[before:]]
            assert views == sorted(views, reverse=True)

    asyncio.run(scenario())


def test_what_can_be_sold_is_read_while_everything_is_being_loaded_again(redis_url: str) -> None:
    async def scenario() -> None:
        features = SlowFeatures()
        features.write(*(catalogue(f"i{number:03}", "A", 1) for number in range(500)))
        publisher(redis_url).publish("user", ["u"])
        async with following(redis_url, features) as (table, refresher):
            features.door.clear()
            redis.Redis.from_url(redis_url).flushall()
            await until(lambda: refresher.gaps == 2)
            features.write(catalogue("i499", "A", 0, NOW_US + 1))
            publisher(redis_url).publish("item_catalogue", ["i499"])
            reads = len(features.reads)
            await until(lambda: bool(refresher._catalogue))
            features.door.set()
            await until(lambda: not is_available(table, "i499"))
            assert ("item_catalogue", ("i499",)) in features.reads[reads:][:3]  # after two views of the first items

    asyncio.run(scenario())


def test_what_could_not_be_read_is_read_when_it_can_be(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(catalogue("tent", "A", 1), activity("road", 1.0, [], []))
        async with following(redis_url, features) as (table, refresher):
            features.broken = True
            features.write(catalogue("tent", "A", 0, NOW_US + 1), activity("road", 9.0, ["tent"], [], NOW_US + 1))
            publisher(redis_url).publish("item_activity", ["road"])
            publisher(redis_url).publish("item_catalogue", ["tent"])
            await until(lambda: refresher.failure is not None)
            features.broken = False
            await until(lambda: not is_available(table, "tent"))
            await until(lambda: len(table.also_viewed[table.row_of("road")].rows) == 1)

    asyncio.run(scenario())


def test_the_table_tells_as_of_when_each_catalogue_row_is(redis_url: str) -> None:
    async def scenario() -> None:
        features = FakeFeatures()
        features.write(*(catalogue(f"i{number:04}", "A", 1, NOW_US + number) for number in range(1_500)))
        features.write(activity("seen", 1.0, [], []))
        async with following(redis_url, features) as (table, _):
            times = dict(zip(table.ids, table.catalogue_us.tolist(), strict=True))
            assert times == {f"i{number:04}": NOW_US + number for number in range(1_500)} | {"seen": 0}

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

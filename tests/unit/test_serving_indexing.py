"""When an index of the model's vectors is made."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import numpy as np

from recommender.serving import row_index
from recommender.serving.indexing import Indexing
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from tests.spec.test_slate import catalogue
from tests.unit.serving_fakes import FakeModel

IDS = [f"i{number}" for number in range(100)]


def table_with(model: FakeModel) -> ItemTable:
    table = ItemTable()
    for item_id in IDS:
        table.put(item_id, catalogue(item_id, "A", 1), None)
    adopt(table, model)
    return table


def adopt(table: ItemTable, model: FakeModel) -> ItemVectors:
    version = table.content_version
    vectors = ItemVectors(model)
    vectors.put_all(table.ids, table.catalogue)
    table.adopt(vectors, version)
    return vectors


def is_indexed(table: ItemTable) -> bool:
    return table.vectors is not None and not table.vectors.nearby.is_stale()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)


def test_an_index_is_made_from_some_number_of_items_on() -> None:
    async def scenario() -> None:
        table = table_with(FakeModel(IDS))
        few, many = Indexing(table, index_from=101), Indexing(table, index_from=100)
        few.look()
        await few.close()
        assert not is_indexed(table)
        many.look()
        await until(lambda: is_indexed(table))
        await many.close()

    asyncio.run(scenario())


def test_it_is_made_anew_once_too_many_items_have_changed(monkeypatch) -> None:
    monkeypatch.setattr(row_index, "MOST_CHANGED", 3)

    async def scenario() -> None:
        table = table_with(FakeModel(IDS[:90]))
        indexing = Indexing(table, index_from=100)
        indexing.look()
        await until(lambda: is_indexed(table))
        for number in range(4):
            table.put(f"new{number}", catalogue(f"new{number}", "A", 1), None)
        assert not is_indexed(table)
        indexing.look()
        await until(lambda: is_indexed(table))
        await indexing.close()

    asyncio.run(scenario())


def test_an_index_that_comes_too_late_serves_the_next_model_if_that_is_like_its_own() -> None:
    async def scenario(drift: float) -> bool:
        model, next_one = FakeModel(IDS, "v1", 16), FakeModel(IDS, "v2", 16)
        next_one.item_vectors = model.item_vectors + np.float32(drift) * np.roll(model.item_vectors, 1, axis=0)
        table = table_with(model)
        indexing = Indexing(table, index_from=100)
        indexing.look()
        adopt(table, next_one)
        first = indexing._work
        assert first is not None
        await first
        return is_indexed(table)

    assert asyncio.run(scenario(0.01))
    assert not asyncio.run(scenario(2.0))


def test_what_is_being_made_is_given_up_at_the_end() -> None:
    async def scenario() -> None:
        table = table_with(FakeModel(IDS))
        assert table.vectors is not None
        asked: list[Callable[[], bool]] = []

        def until_cancelled(is_cancelled: Callable[[], bool]) -> None:
            asked.append(is_cancelled)
            while not is_cancelled():
                pass

        table.vectors.begin_index = lambda: until_cancelled  # type: ignore[method-assign]
        indexing = Indexing(table, index_from=100)
        indexing.look()
        await until(lambda: bool(asked))
        await indexing.close()
        assert asked[0]()

    asyncio.run(scenario())


def test_a_process_that_has_loaded_the_index_before_all_else_can_read_times() -> None:
    program = (
        "import recommender.serving.item_index\n"
        "import pyarrow as pa\n"
        "from datetime import UTC, datetime\n"
        "print(pa.array([datetime(2026, 1, 2, tzinfo=UTC)]).to_pylist()[0].year)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout) == (0, "2026\n")

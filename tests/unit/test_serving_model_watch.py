from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import numpy as np
import pytest

from recommender.features import ItemCatalogue
from recommender.features.shopper import Shopper
from recommender.serving import model_watch
from recommender.serving.item_table import ItemTable
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.model_watch import Models, ModelWatcher
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest, Surface
from tests.spec.test_slate import NOW_US, activity, catalogue, session
from tests.unit.serving_fakes import FakeModel, FakeModels


def watching(table: ItemTable, models: Models) -> ModelWatcher:
    watcher = ModelWatcher(table, models)
    asyncio.run(watcher.look())
    return watcher


def shop(*item_ids: str) -> ItemTable:
    table = ItemTable()
    for item_id in item_ids:
        table.put(item_id, catalogue(item_id, "A", 1), None)
    return table


def test_a_new_current_model_is_taken_into_service() -> None:
    table, models = shop("tent"), FakeModels()
    seconds: list[float] = []
    watcher = ModelWatcher(table, models, seconds.append)

    asyncio.run(watcher.look())
    assert (watcher.serving, seconds) == (None, [])

    models.models = {"v1": FakeModel(["tent"], "v1"), "v2": FakeModel(["tent"], "v2")}
    for version in ("v1", "v2"):
        models.current = version
        asyncio.run(watcher.look())
        found = recommend(table, SlateRequest(Surface.HOME, 1), Shopper(None, []), now_us=NOW_US)
        assert (found.model_version, watcher.serving) == (version, version)
    assert len(seconds) == 2


def test_who_is_woken_looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_watch, "_LOOK_EVERY_S", 3_600.0)

    async def scenario() -> None:
        table, models = shop("tent"), FakeModels()
        watcher = ModelWatcher(table, models)
        task = asyncio.create_task(watcher.run())
        async with asyncio.timeout(30):
            while not watcher.looked:
                await asyncio.sleep(0.005)
            models.models, models.current = {"v1": FakeModel([], "v1")}, "v1"
            watcher.wake()
            while watcher.serving != "v1":
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def test_a_damaged_model_leaves_the_one_before_in_service_and_is_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table, models = shop("tent"), FakeModels()
    models.models, models.current = {"v1": FakeModel([], "v1")}, "v1"
    watcher = watching(table, models)

    models.current = "damaged"
    for _ in range(3):
        asyncio.run(watcher.look())

    assert (watcher.serving, watcher.failures) == ("v1", 1)
    assert watcher.refusal is not None
    assert (watcher.refusal.version, watcher.refusal.reason) == (
        "damaged",
        "damaged/manifest.json: must be a readable file",
    )
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_refused_model_is_tried_again_after_another_activation_and_once_its_files_change() -> None:
    table, models = shop("tent"), FakeModels()
    models.current = "v1"
    watcher = watching(table, models)
    models.activations += 1
    asyncio.run(watcher.look())
    assert (watcher.serving, watcher.failures) == (None, 2)

    models.models = {"v1": FakeModel([], "v1")}
    asyncio.run(watcher.look())
    assert (watcher.serving, watcher.refusal) == ("v1", None)


def test_nothing_is_refused_any_more_once_the_pointer_is_back_at_the_model_in_service() -> None:
    table, models = shop("tent"), FakeModels()
    models.models, models.current = {"v1": FakeModel([], "v1")}, "v1"
    watcher = watching(table, models)
    models.current = "damaged"
    asyncio.run(watcher.look())
    models.current = "v1"
    asyncio.run(watcher.look())
    assert watcher.refusal is None


def test_a_pointer_that_cannot_be_read_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    class Unreadable(FakeModels):
        def current_version(self) -> str | None:
            raise PermissionError("CURRENT: permission denied")

    watcher = watching(shop("tent"), Unreadable())
    asyncio.run(watcher.look())
    assert (watcher.failures, len(caplog.records)) == (1, 1)


def test_items_trained_on_have_their_vector_and_others_that_of_their_content() -> None:
    table, models = ItemTable(), FakeModels()
    model = FakeModel(["trained"])
    models.models, models.current = {"v1": model}, "v1"
    table.put("trained", catalogue("trained", "A", 1), None)
    table.put("new", catalogue("new", "A", 1), None)
    table.put("bare", None, activity("bare", 1.0, [], []))
    asyncio.run(ModelWatcher(table, models).look())
    table.put("late", catalogue("late", "A", 1), None)

    assert table.vectors is not None
    one = np.eye(4, dtype=np.float32)[0]
    assert table.vectors.known(4).tolist() == [True, True, False, True]
    found = table.vectors.scores_of(one, np.arange(4))
    np.testing.assert_allclose(found, [model.item_vectors[0, 0], 0.75, np.nan, 0.75], rtol=1e-6)


class ChangesTheTable(FakeModel):
    """Changes the table while it is put in order for it."""

    def __init__(self, table: ItemTable, *changes: Sequence[ItemCatalogue]) -> None:
        super().__init__([])
        self._table, self._changes = table, list(changes)

    def item_vector(self, description):
        for row in self._changes.pop(0) if self._changes else ():
            self._table.put_catalogue(row)
        return super().item_vector(description)


@pytest.mark.parametrize("items", [1, 200])
def test_items_that_change_while_a_model_is_prepared_get_their_new_description(items: int) -> None:
    table, models = ItemTable(), FakeModels()
    for number in range(items):
        table.put(f"i{number}", catalogue(f"i{number}", "", 1), None)
    changed = [catalogue(f"i{number}", "A", 1, NOW_US + 1) for number in range(items)]
    models.models, models.current = {"v1": ChangesTheTable(table, [], changed)}, "v1"
    watching(table, models)

    assert table.vectors is not None
    assert table.vectors.known(items).all()


@pytest.mark.parametrize("items", [1, 5_000])
def test_items_that_come_while_a_model_is_prepared_are_described_too(items: int) -> None:
    table, models = shop("first"), FakeModels()
    new = [catalogue(f"new{number}", "A", 1) for number in range(items)]
    models.models, models.current = {"v1": ChangesTheTable(table, [], new)}, "v1"
    watching(table, models)

    assert table.vectors is not None
    assert table.vectors.known(1 + items).all()
    assert np.allclose(table.vectors.scores_of(np.ones(4, np.float32), np.arange(1 + items)), 2.25)


def test_rows_set_together_are_as_rows_set_one_by_one() -> None:
    ids = [f"i{number}" for number in range(5_000)]
    model = FakeModel(ids[::2])
    described = [catalogue(item_id, "A" if number % 3 else "", 1) for number, item_id in enumerate(ids)]
    together, one_by_one = ItemVectors(model), ItemVectors(model)
    together.put_all(ids, described)
    for row, item_id in enumerate(ids):
        one_by_one.put(row, item_id, described[row])

    vector = np.array([1, -2, 3, -4], np.float32)
    assert together.known(5_000).tolist() == one_by_one.known(5_000).tolist()
    rows, everything = np.arange(5_000), np.ones(5_000, bool)
    np.testing.assert_allclose(together.scores_of(vector, rows), one_by_one.scores_of(vector, rows), rtol=1e-6)
    for found, expected in zip(together.nearest(6, everything, 50), one_by_one.nearest(6, everything, 50), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    numbers = np.arange(2_500)
    assert (
        together.numbering.rows(numbers).tolist()
        == one_by_one.numbering.rows(numbers).tolist()
        == [*range(0, 5_000, 2)]
    )


def test_only_rows_with_other_content_have_changed() -> None:
    table = shop("a", "b", "c")
    before = table.content_version
    table.put_activity(activity("a", 5.0, [], [], NOW_US + 1))
    table.put_catalogue(catalogue("b", "A", 0, NOW_US + 1))  # sold out
    table.put_catalogue(catalogue("c", "B", 1, NOW_US + 1))
    assert table.changed_since(before).tolist() == [2]
    table.put("d", None, None)
    assert table.changed_since(before).tolist() == [2, 3]


def test_the_model_brings_in_items_that_no_session_has_shown() -> None:
    table = shop("a", "b", "c")
    model = FakeModel(["a", "b", "c"])
    model.item_vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.9, 0.1, 0, 0]], np.float32)
    models = FakeModels()
    models.models, models.current = {"v1": model}, "v1"
    watching(table, models)

    request = SlateRequest(Surface.HOME, 2, exclude=frozenset({"a"}))
    found = recommend(table, request, Shopper(None, [session([("a", "")])]), now_us=NOW_US)

    assert [table.ids[entry.row] for entry in found.items] == ["c", "b"]
    assert found.items[0].source == "model"
    assert found.fallback is None

from __future__ import annotations

import asyncio

import numpy as np

from recommender.serving.item_table import ItemTable
from recommender.serving.model_watch import ModelWatcher
from recommender.serving.recommender import recommend
from recommender.serving.request import SlateRequest, Surface
from tests.spec.test_slate import NOW_US, activity, catalogue, session
from tests.unit.serving_fakes import FakeModel, FakeModels


def served(table: ItemTable) -> str | None:
    return recommend(table, SlateRequest(Surface.HOME, 1), [], None, now_us=NOW_US).model_version


def test_a_new_current_model_is_taken_into_service() -> None:
    table, models = ItemTable(), FakeModels()
    table.put("tent", catalogue("tent", "A", 1), None)
    watcher = ModelWatcher(table, models)

    asyncio.run(watcher.look())
    assert served(table) is None

    models.models = {"v1": FakeModel(["tent"], "v1"), "v2": FakeModel(["tent"], "v2")}
    for version in ("v1", "v2"):
        models.current = version
        asyncio.run(watcher.look())
        assert served(table) == version


def test_a_damaged_model_leaves_the_one_before_in_service_and_is_tried_once() -> None:
    table, models = ItemTable(), FakeModels()
    models.models = {"v1": FakeModel([], "v1")}
    watcher = ModelWatcher(table, models)
    models.current = "v1"
    asyncio.run(watcher.look())

    models.current = "damaged"
    asyncio.run(watcher.look())
    asyncio.run(watcher.look())

    assert served(table) == "v1"
    assert watcher.failures == 1


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
    assert np.allclose(table.vectors.scores(one, 4), [model.item_vectors[0, 0], 0.75, 0.0, 0.75])


def test_an_item_that_changes_while_a_model_is_prepared_gets_its_new_description() -> None:
    table, models = ItemTable(), FakeModels()
    table.put("item", catalogue("item", "", 1), None)

    class ChangesTheItem(FakeModel):
        @property
        def item_vectors(self):
            table.put_catalogue(catalogue("item", "A", 1, NOW_US + 1))
            return self._vectors

        @item_vectors.setter
        def item_vectors(self, vectors) -> None:
            self._vectors = vectors

    models.models, models.current = {"v1": ChangesTheItem([])}, "v1"
    asyncio.run(ModelWatcher(table, models).look())

    assert table.vectors is not None
    assert table.vectors.known(1).tolist() == [True]


def test_the_model_brings_in_items_that_no_session_has_shown() -> None:
    table = ItemTable()
    for item_id in ("a", "b", "c"):
        table.put(item_id, catalogue(item_id, "", 1), None)
    model = FakeModel(["a", "b", "c"])
    model.item_vectors = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0.9, 0.1, 0, 0]], np.float32)
    models = FakeModels()
    models.models, models.current = {"v1": model}, "v1"
    asyncio.run(ModelWatcher(table, models).look())

    request = SlateRequest(Surface.HOME, 2, exclude=frozenset({"a"}))
    found = recommend(table, request, [session([("a", "")])], None, now_us=NOW_US)

    assert [table.ids[entry.row] for entry in found.items] == ["c", "b"]
    assert found.items[0].source == "model"
    assert found.fallback is None

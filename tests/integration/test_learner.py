"""The learner on a real event log and a real registry: publishes, resumes, falls back, follows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from recommender.eventlog import CATALOGUE, SHOPPER, LogRecord, open_event_log
from recommender.events import utc_from_us
from recommender.features.interaction import Interaction
from recommender.installation import Installation
from recommender.learning.record import read_record
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from tests.learning import START_US, blank_model, visits
from tests.learning_shop import Shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    log = open_event_log(settings)
    yield Shop(settings, log)
    log.close()


def test_without_a_version_it_waits_and_with_one_that_cannot_be_learned_on_too(shop: Shop) -> None:
    learner = shop.learner()
    assert learner.step() > 0
    bare = blank_model()
    bare.gradients = None
    shop.train(bare)
    shop.clock.seconds += 1
    shop.send(visits(10))
    assert learner.step() > 0
    assert learner.publish() is None
    found = read_record(Installation(shop.settings.data_dir).learning_path)
    assert found is not None
    assert found.phase == "waiting"


def test_what_was_learned_is_published_with_its_parent_positions_and_figures(shop: Shop) -> None:
    parent = shop.train()
    learner = shop.learner()
    sent = shop.send(visits(100, known=True))
    shop.read_all(learner)
    version = learner.publish()
    assert version == shop.current
    assert version != parent
    model = shop.registry.load(version)
    manifest = model.manifest
    assert (manifest.kind, manifest.parent, manifest.examples) == ("online", parent, 100 + sent)
    assert set(manifest.log_position) == {partition.name for partition in shop.log.partitions()}
    assert set(manifest.metrics) == {"ndcg@20", "progressive_hit_rate@20", "progressive_mrr@20"}
    figures = manifest.baselines["parent"]
    assert manifest.metrics["progressive_mrr@20"] == figures["progressive_mrr@20"], "the first batch was tested first"
    assert "user=u1-0" in model.shopper_features
    assert manifest.data_to == utc_from_us(START_US + 99 * 60_000_000 + 20_000_000).isoformat()
    assert shop.log.lag("learner") == 0
    assert learner.publish() is None, "there is nothing new"
    assert shop.registry.history()[-1].reason == "learned online"


def test_it_publishes_by_the_clock_and_keeps_three_online_versions(shop: Shop) -> None:
    parent = shop.train()
    learner = shop.learner()
    learner.step()
    published = []
    for seed in range(6):
        shop.send(visits(5, seed=seed))
        shop.clock.seconds += 31
        learner.step()
        published.append(shop.current)
    assert len(set(published)) == 6
    assert shop.registry.versions() == [parent, *published[-3:]]


@pytest.fixture
def any_shop(log_settings: Settings, tmp_path: Path) -> Iterator[Shop]:
    """On each kind of event log."""
    settings = log_settings.model_copy(update={"data_dir": tmp_path / "data"})
    log = open_event_log(settings)
    yield Shop(settings, log)
    log.close()


def test_large_versions_come_less_often(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.train()
    learner = shop.learner()
    monkeypatch.setattr(ModelRegistry, "size_bytes", lambda *_: 200_000_000)
    learner.step()
    published = []
    for seed in range(7):
        shop.send(visits(5, seed=seed))
        shop.clock.seconds += 31
        learner.step()
        published.append(shop.current)
    assert len(set(published)) == 2, "a version of 200 MB each hundred seconds"


def test_a_killed_learner_goes_on_where_its_version_stands_and_learns_nothing_twice(any_shop: Shop) -> None:
    shop = any_shop
    shop.train()
    events = list(visits(120, known=True))
    first = shop.learner()
    sent = shop.send(events[:300])
    shop.read_all(first)
    version = first.publish()
    assert version is not None
    shop.send(events[300:400])
    shop.read_all(first)  # and is killed: what it has learned since is lost with it
    second = shop.learner()
    shop.send(events[400:])
    shop.read_all(second)
    assert sent == 300
    assert shop.registry.manifest(second.publish() or "").examples == 100 + len(events)
    assert second._run is not None
    assert second._run.learning.examples == len(events) - 300


def test_the_states_of_before_the_position_are_known_after_a_restart(shop: Shop) -> None:
    shop.train()
    first = shop.learner()
    shop.send([view("e1", "item1", START_US), view("e2", "item2", START_US + 1)])
    shop.read_all(first)
    assert first.publish()
    shop.send([view("e3", "item3", START_US + 2), view("e1", "item1", START_US)])
    second = shop.learner()
    second.step()
    assert second._run is not None
    (observed,) = second._run.waiting
    assert observed.example.item_id == "item3"
    assert {"recent=item1", "recent=item2"} <= set(observed.example.state)


def view(event_id: str, item_id: str, time_us: int) -> Interaction:
    return Interaction(event_id, "view", time_us, "s", item_id=item_id)


def test_a_full_version_without_a_position_is_gone_on_from_by_the_time_of_its_data(shop: Shop) -> None:
    shop.send([view("e1", "item1", START_US), view("e2", "item2", START_US + 10), view("e3", "item3", START_US + 11)])
    shop.train(at=timedelta(seconds=5), data_to=utc_from_us(START_US + 10).isoformat())
    learner = shop.learner()
    learner.step()
    assert learner._run is not None
    (observed,) = learner._run.waiting
    assert observed.example.item_id == "item3"
    assert "recent=item2" in observed.example.state


def test_what_came_after_a_training_is_learned_though_it_happened_before(shop: Shop) -> None:
    """An old log that is replayed through the API after a training on newer data."""
    shop.train(at=timedelta(seconds=-5), data_to=utc_from_us(START_US + 10).isoformat())
    shop.send([view("e1", "item1", START_US), view("e2", "item2", START_US + 5)])
    learner = shop.learner()
    learner.step()
    assert learner._run is not None
    assert [observed.example.item_id for observed in learner._run.waiting] == ["item1", "item2"]


def test_a_new_full_version_supersedes_what_was_learned(shop: Shop) -> None:
    shop.train()
    learner = shop.learner()
    shop.send(visits(50))
    shop.read_all(learner)
    assert learner.publish()
    newer = blank_model(items=70)
    positions = shop.registry.manifest(shop.current).log_position
    second = shop.train(newer, log_position=positions)
    shop.clock.seconds += 1
    assert learner.step() > 0
    shop.send(visits(10, seed=2))
    shop.read_all(learner)
    version = learner.publish()
    assert version is not None
    manifest = shop.registry.manifest(version)
    assert (manifest.parent, manifest.examples) == (second, 100 + 50)
    assert shop.registry.load(version).item_ids == newer.item_ids


def test_a_version_of_somebody_else_that_came_meanwhile_is_not_replaced(shop: Shop) -> None:
    shop.train()
    learner = shop.learner()
    shop.send(visits(20))
    shop.read_all(learner)
    other = shop.train()  # and the learner has not looked yet
    assert learner.publish() is None
    assert shop.current == other


def test_what_was_rolled_back_is_not_learned_again(shop: Shop) -> None:
    parent = shop.train()
    learner = shop.learner()
    for seed in (1, 2):
        shop.send(visits(20, seed=seed))
        shop.read_all(learner)
        assert learner.publish()
    shop.registry.activate(parent)
    shop.clock.seconds += 1
    shop.read_all(learner)
    assert learner.publish() is None
    assert shop.current == parent
    again = shop.learner()
    sent = shop.send(visits(4, seed=3))
    shop.read_all(again)
    assert shop.registry.manifest(again.publish() or "").examples == 100 + sent


def test_a_rollback_by_one_version_is_not_undone_by_learning_either(shop: Shop) -> None:
    shop.train()
    learner = shop.learner()
    sent = []
    for seed in (1, 2):
        sent.append(shop.send(visits(20, seed=seed)))
        shop.read_all(learner)
        assert learner.publish()
    assert shop.registry.rollback().version == shop.registry.versions()[1]
    for _ in range(2):  # and neither does a learner that was started anew meanwhile
        shop.clock.seconds += 1
        shop.read_all(learner)
        assert learner.publish() is None
        learner = shop.learner()
    sent[1] = shop.send(visits(4, seed=3))
    shop.read_all(learner)
    assert shop.registry.manifest(learner.publish() or "").examples == 100 + sum(sent)


def test_a_version_made_current_just_before_a_kill_is_gone_on_from_though_that_was_not_written_down(shop: Shop) -> None:
    shop.train()
    path = Installation(shop.settings.data_dir).learning_path
    first = shop.learner()
    sent = shop.send(visits(20))
    shop.read_all(first)
    written = path.read_bytes()
    assert first.publish()
    path.write_bytes(written)
    second = shop.learner()
    sent += shop.send(visits(4, seed=3))
    shop.read_all(second)
    assert shop.registry.manifest(second.publish() or "").examples == 100 + sent


def test_a_learner_that_is_behind_leaves_out_some_shoppers_with_all_their_events(shop: Shop) -> None:
    shop.train()
    learner = shop.learner(learn_behind_seconds=1e-6)
    learner.step()
    shop.send(visits(1_200, known=True))
    while learner.step() == 0.0:
        shop.clock.seconds += 6
    assert learner.record.skipped_events > 500
    assert learner.record.examples > 100
    assert learner.record.skipped_events + learner.record.examples <= 6_000


def test_what_cannot_be_read_is_passed_over_and_a_new_item_is_learned(shop: Shop) -> None:
    shop.train()
    learner = shop.learner()
    upsert = {"kind": "item_upsert", "event_id": "u", "event_time": "2023-11-14T22:13:20Z", "item_id": "lamp"}
    shop.log.append([LogRecord(CATALOGUE, "lamp", orjson.dumps(upsert | {"brand": "Lux"}))])
    shop.log.append([LogRecord(SHOPPER, "s", b"{")])
    shop.send([view(f"e{number}", "lamp", START_US + number * 1_900_000_000) for number in range(20)])
    shop.read_all(learner)
    model = shop.registry.load(learner.publish() or "")
    assert model.item_ids[-1] == "lamp"
    assert {"item=lamp", "brand=Lux"} <= set(model.item_features)

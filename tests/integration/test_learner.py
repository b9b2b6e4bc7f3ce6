"""The learner on a real event log and a real registry: publishes, resumes, falls back, follows."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import orjson
import pytest

from recommender.eventlog import CATALOGUE, SHOPPER, EventLog, LogRecord, open_event_log
from recommender.events import utc_from_us
from recommender.features.interaction import Interaction
from recommender.installation import Installation
from recommender.learning.learner import LEAST_RATE_RATIO, Learner
from recommender.learning.record import read_record
from recommender.model.artifact import Model, read_content, read_gradients
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from tests.learning import ITEMS, START_US, blank_model, item_name, visits


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Shop:
    """An installation's log and registry, and learners that come and go."""

    def __init__(self, settings: Settings, log: EventLog) -> None:
        self.settings = settings
        self.log = log
        self.registry = ModelRegistry(Installation(settings.data_dir).models_dir)
        self.clock = Clock()

    def train(self, model: Model | None = None, at: timedelta = timedelta(), **manifest: object) -> str:
        """Put a full version into service, made so long after now."""
        model = model or blank_model()
        for name, value in manifest.items():
            setattr(model.manifest, name, value)
        version = self.registry.save(model, datetime.now(UTC) + at)
        self.registry.activate(version)
        return version

    def send(self, events: Iterable[Interaction]) -> int:
        records = [record(event) for event in events]
        self.log.append(records)
        return len(records)

    def learner(self, **changed: object) -> Learner:
        """A new process, as it were."""
        settings = self.settings.model_copy(update={"learn_cpu_ratio": 1.0, "learn_rate": 0.1, **changed})
        return Learner(settings, self.log, rest=lambda _seconds: None, now=self.clock)

    def read_all(self, learner: Learner) -> None:
        """Let the learner read all there is; the log may hand it out in pieces, with pauses between."""
        learner.step()
        while learner.step() == 0.0 or self._is_behind(learner):
            self.clock.seconds += 0.6

    def _is_behind(self, learner: Learner) -> bool:
        run = learner._run
        return run is not None and run.reader.entries < sum(self.log.ends().values())

    @property
    def current(self) -> str:
        version = self.registry.current_version()
        assert version is not None
        return version


def record(event: Interaction) -> LogRecord:
    fields = {
        "kind": event.kind,
        "event_id": event.event_id,
        "event_time": utc_from_us(event.time_us).isoformat(),
        "session_id": event.session_id,
        "item_id": event.item_id,
    }
    if event.user_id:
        fields["user_id"] = event.user_id
    return LogRecord(SHOPPER, event.user_id or event.session_id, orjson.dumps(fields))


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


def poison(learner: Learner, batch_of: Callable[[int], list[Interaction]], shop: Shop, most: int) -> int:
    """Send batches and teach the learner their opposite in between, until it falls back; return how many it took."""
    before = learner.record.fallbacks
    draw = random.Random(1)
    for number in range(most):
        shop.send(batch_of(number))
        shop.read_all(learner)
        shop.clock.seconds += 10
        learner.step()
        if learner.record.fallbacks > before or learner._run is None:
            return number + 1
        growing = learner._run.learning.growing
        rows = np.arange(len(growing.shoppers))
        parts = growing.shoppers.gather(rows)
        order = list(range(len(rows)))
        draw.shuffle(order)
        growing.shoppers.scatter(rows, [parts[0][order], *parts[1:]])
    return most + 1


def more_visits(seed: int, number: int) -> list[Interaction]:
    return list(visits(40, seed=seed + number))


def trained_parent(shop: Shop) -> str:
    """A parent that knows the shop: what an honest learner has made, put into service as a full version."""
    shop.train()
    learner = shop.learner(learn_batch_events=200)
    shop.send(visits(600, seed=100))
    shop.read_all(learner)
    version = learner.publish()
    assert version is not None
    model = shop.registry.load(version)
    learned = shop.registry.folder(version)
    model.gradients, model.content = read_gradients(learned), read_content(learned)
    return shop.train(model, kind="full", parent="", metrics={}, baselines={})


def test_when_it_gets_worse_it_falls_back_by_itself_and_learns_on_more_slowly(shop: Shop) -> None:
    parent = trained_parent(shop)
    learner = shop.learner()
    learner.step()
    shop.send(visits(20, seed=7))
    shop.read_all(learner)
    bad = learner.publish()
    assert shop.current == bad
    took = poison(learner, partial(more_visits, 200), shop, most=20)
    assert took <= 10
    assert shop.current == parent
    assert shop.registry.history()[-1].reason == "learning fell back: worse"
    record = read_record(Installation(shop.settings.data_dir).learning_path)
    assert record is not None
    assert (record.phase, record.rate_ratio, record.fallbacks, record.version) == ("learning", 0.5, 1, parent)
    assert learner._run is not None
    assert learner._run.learning.parameters.learning_rate == pytest.approx(0.05)
    # And after a kill it does not learn the poison again, nor forget that it has to go slowly.
    again = shop.learner()
    again.step()
    assert again._run is not None
    assert not again._run.waiting
    assert again._run.learning.parameters.learning_rate == pytest.approx(0.05)
    sent = shop.send(visits(3, seed=900))
    shop.read_all(again)
    assert shop.registry.manifest(again.publish() or "").parent == parent
    assert again.record.examples == sent


def robots(seed: int, visits_: int = 100) -> Iterator[Interaction]:
    """Visits that go from each item to one that has nothing to do with it, another one for each seed."""
    draw = random.Random(seed)
    follows = list(range(ITEMS))
    draw.shuffle(follows)
    for visit in range(visits_):
        item = draw.randrange(ITEMS)
        for step in range(5):
            time_us = START_US + visit * 60_000_000 + step * 5_000_000
            yield Interaction(f"r{seed}-{visit}-{step}", "view", time_us, f"r{seed}-{visit}", item_id=item_name(item))
            item = follows[item]


def test_a_stream_full_of_robots_makes_it_fall_back(shop: Shop) -> None:
    parent = trained_parent(shop)
    learner = shop.learner(learn_rate=0.5, learn_batch_events=10_000)
    learner.step()
    for number in range(30):
        shop.send([*visits(20, seed=3_000 + number), *robots(number)])
        shop.read_all(learner)
        shop.clock.seconds += 31
        learner.step()
        if learner.record.fallbacks:
            break
    assert learner.record.fallbacks == 1
    assert shop.current == parent
    (back,) = (each for each in shop.registry.history() if each.reason == "learning fell back: worse")
    assert back.version == parent


def test_after_too_many_fallbacks_it_stops_until_the_next_full_version(shop: Shop) -> None:
    parent = trained_parent(shop)
    learner = shop.learner()
    learner.step()
    for seed in range(1_000, 7_000, 1_000):
        assert learner.record.rate_ratio >= LEAST_RATE_RATIO
        poison(learner, partial(more_visits, seed), shop, most=20)
    assert learner.record.phase == "stopped"
    assert shop.current == parent
    restarted = shop.learner()
    assert restarted.step() > 0
    assert restarted.record.phase == "stopped"
    shop.train(blank_model())
    shop.clock.seconds += 1
    learner.step()
    assert (learner.record.phase, learner.record.rate_ratio) == ("learning", 1.0)


def test_numbers_that_are_not_finite_are_never_published(shop: Shop) -> None:
    parent = shop.train()
    learner = shop.learner()
    shop.send(visits(5))
    shop.read_all(learner)
    assert learner._run is not None
    learner._run.learning.growing.items.embeddings[3] = np.nan
    assert learner.publish() is None
    assert shop.current == parent
    assert learner.record.fallbacks == 1
    assert learner._run is not None
    assert np.isfinite(learner._run.learning.growing.items.embeddings).all()
    shop.send(visits(5, seed=2))
    shop.read_all(learner)
    assert learner.publish() == shop.current


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

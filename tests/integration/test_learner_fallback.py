"""The learner on a real event log and a real registry: it falls back by itself when it gets worse."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from recommender.eventlog import open_event_log
from recommender.features.interaction import Interaction
from recommender.installation import Installation
from recommender.learning.learner import LEAST_RATE_RATIO, Learner
from recommender.learning.record import read_record
from recommender.model.artifact import read_content, read_gradients
from recommender.settings import Settings
from tests.learning import ITEMS, START_US, blank_model, item_name, visits
from tests.learning_shop import Shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    log = open_event_log(settings)
    yield Shop(settings, log)
    log.close()


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


def published(shop: Shop) -> tuple[Learner, str | None]:
    """Return a learner that has learned a little, and the version that it has made current."""
    learner = shop.learner()
    learner.step()
    shop.send(visits(20, seed=7))
    shop.read_all(learner)
    return learner, learner.publish()


def test_when_it_gets_worse_it_falls_back_by_itself_and_learns_on_more_slowly(shop: Shop) -> None:
    parent = trained_parent(shop)
    learner, bad = published(shop)
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


def test_with_nothing_to_fall_back_to_it_stops_and_a_restart_does_not_forget_it(shop: Shop) -> None:
    parent = trained_parent(shop)
    learner, bad = published(shop)
    (shop.registry.folder(parent) / "item_vectors.npy").write_bytes(b"")
    poison(learner, partial(more_visits, 200), shop, most=20)
    assert (learner.record.phase, learner.record.fallbacks) == ("stopped", 1)
    assert shop.current == bad
    restarted = shop.learner()
    restarted.step()
    assert (restarted.record.phase, restarted._run) == ("stopped", None)
    shop.train(blank_model())
    shop.clock.seconds += 1
    restarted.step()
    assert restarted.record.phase == "learning"


def test_a_version_that_is_mended_and_activated_again_is_learned_on(shop: Shop) -> None:
    version = shop.train()
    file = shop.registry.folder(version) / "item_vectors.npy"
    whole = file.read_bytes()
    file.write_bytes(b"")
    learner = shop.learner()
    learner.step()
    assert (learner.record.phase, learner._run) == ("waiting", None)
    file.write_bytes(whole)
    shop.registry.activate(version, reason="mended")
    shop.clock.seconds += 1
    learner.step()
    assert learner.record.phase == "learning"


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

"""The learner at an erasure: it forgets at the place in the log where the erasure stands, and publishes no name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from recommender.erasure.control import Controls, Subject
from recommender.eventlog import open_event_log
from recommender.model.forgetting import forget_shoppers
from recommender.settings import Settings
from tests.learning import visits
from tests.learning_shop import Shop


@pytest.fixture
def shop(settings: Settings) -> Iterator[Shop]:
    log = open_event_log(settings)
    yield Shop(settings, log)
    log.close()


def erase(shop: Shop, user_id: str, *session_ids: str) -> None:
    controls = Controls(shop.settings)
    controls.write("b1", [Subject(user_id, session_ids)])
    shop.log.append(controls.records("b1", "drop", shop.log.partitions()))


def names(shop: Shop, version: str | None) -> list[str]:
    return shop.registry.load(version or "").shopper_features


def test_what_is_published_after_an_erasure_does_not_name_the_user_and_learning_goes_on(shop: Shop) -> None:
    shop.train()
    learner = shop.learner()
    shop.send(visits(60, known=True))
    shop.read_all(learner)
    before = names(shop, learner.publish())
    assert {"user=u1-0", "user=u1-1"} <= set(before)

    shop.send(visits(20, known=True, seed=2))
    erase(shop, "u1-0", "s1-0")
    shop.read_all(learner)
    assert shop.log.lag("learner") == 0, "the worker hears of it at once"
    run: Any = learner._run
    assert "u1-0" not in repr((run.maker.memory.__dict__, run.maker._seen, run.maker._moments, run.waiting))
    after = names(shop, learner.publish())
    row = before.index("user=u1-0")
    assert after[row] == f"erased={row}"
    assert "user=u1-0" not in after
    assert "user=u1-1" in after
    assert after[: len(before)] == [name if name != "user=u1-0" else f"erased={row}" for name in before]


@pytest.mark.parametrize("cleaned", [True, False])
def test_a_learner_that_starts_after_an_erasure_goes_on_from_versions_with_and_without_the_name(
    shop: Shop, cleaned: bool
) -> None:
    shop.train()
    learner = shop.learner()
    shop.send(visits(60, known=True))
    shop.read_all(learner)
    before = learner.publish()
    erase(shop, "u1-0", "s1-0")
    shop.read_all(learner)
    shop.send(visits(30, known=True, seed=3))
    shop.read_all(learner)
    assert learner.publish() != before
    if cleaned:
        forget_shoppers(shop.registry.folder(shop.current).parent, ["u1-0"])
    again = shop.learner()
    shop.send(visits(30, known=True, seed=4))
    shop.read_all(again)
    assert "user=u1-0" not in names(shop, again.publish())

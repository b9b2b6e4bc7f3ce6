"""What training describes of each shopper, against a recount from the events alone, over random histories."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from recommender.features import Interaction, implicit_session
from recommender.features.shopper import Shopper
from recommender.model.description import describe_shopper, group_of
from recommender.training.dataset import TARGET_WEIGHTS, Numbers
from recommender.training.history_source import HistorySource
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import train_model
from tests.histories import plain_batches, write_history

KINDS = ("view", "click", "add_to_cart", "add_to_wishlist", "purchase", "search", "remove_from_cart")
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    """Events of few shoppers and items, many at one instant, some late, some twice, some sessions of known users."""
    events = []
    for number in range(draw(st.integers(1, 30))):
        kind = draw(st.sampled_from(KINDS))
        user_id = draw(st.sampled_from(("", "", "u0", "u1")))
        session_id = draw(st.sampled_from(("s0", "s1", "s2", implicit_session(user_id) if user_id else "s3")))
        event = Interaction(f"e{number:03d}", kind, draw(st.integers(1, 25)) * 1_000, session_id, user_id=user_id)
        if kind == "search":
            event.query = "boots"
        else:
            event.item_id = draw(st.sampled_from(("i0", "i1", "i2", "i3", "i4", "i5")))
            event.category = "c" + event.item_id[1]
        event.late = draw(st.integers(0, 9)) == 0
        events.append(event)
        if draw(st.integers(0, 9)) == 0:
            events.append(msgspec.structs.replace(event))
    return events


def wanted(events: list[Interaction]) -> list[Interaction]:
    """The events that can be examples, in the order of the examples."""
    once = {event.event_id: event for event in events if event.kind in TARGET_WEIGHTS and not event.late}
    return sorted(once.values(), key=lambda event: (event.time_us, event.event_id))


def described(events: list[Interaction]) -> list[dict[str, float]]:
    """How training describes the shopper of each target, from the history that the stream writes."""
    with tempfile.TemporaryDirectory() as folder:
        write_history(Path(folder), [msgspec.structs.replace(event) for event in events])
        source = HistorySource(Path(folder), plain_batches(Path(folder)))
        targets = source.targets()
        assert [targets.item_ids[item] for item in targets.items] == [event.item_id for event in wanted(events)]
        assert targets.weights.tolist() == [TARGET_WEIGHTS[event.kind] for event in wanted(events)]
        return [
            describe_shopper(shopper, now_us=int(time_us))
            for shopper, time_us in zip(
                source.shoppers(np.arange(len(targets))), targets.times_us.tolist(), strict=True
            )
        ]


def values(description: dict[str, float], group: str) -> dict[str, float]:
    return {
        feature.removeprefix(f"{group}="): weight
        for feature, weight in description.items()
        if group_of(feature) == group
    }


def recount(events: list[Interaction], target: Interaction) -> dict[str, set[str]]:
    """What was looked at, bought and seen of whom by the shopper of the target, before it.

    The category of an item is known where the latest look at it was in one of the shopper's sessions.
    """
    sessions = {target.session_id, implicit_session(target.user_id) if target.user_id else target.session_id}
    before = [event for event in events if event.time_us < target.time_us and not event.late]
    theirs = [event for event in before if event.session_id in sessions]
    of_user = [event for event in before if event.user_id and event.user_id == target.user_id]
    looks = [event for event in (*theirs, *of_user) if event.kind in TARGET_WEIGHTS]
    latest_us: dict[str, int] = {}
    for event in looks:
        latest_us[event.item_id] = max(event.time_us, latest_us.get(event.item_id, 0))
    latest = [event for event in looks if event.time_us == latest_us[event.item_id]]
    return {
        "recent": {event.item_id for event in looks},
        "browsed": {event.category for event in latest if event.session_id in sessions},
        "bought": {event.item_id for event in of_user if event.kind == "purchase"},
        "user": {event.user_id for event in (*theirs, *of_user) if event.user_id},
    }


@SETTINGS
@given(histories())
def test_a_description_holds_what_came_before_its_event_and_nothing_else(events: list[Interaction]) -> None:
    for description, target in zip(described(events), wanted(events), strict=True):
        expected = recount(events, target)
        for group in ("recent", "browsed", "bought"):
            assert values(description, group).keys() == expected[group], group
        assert values(description, "user").keys() <= expected["user"]
        if not expected["user"]:
            assert not values(description, "likes")


@SETTINGS
@given(histories())
def test_changing_an_event_and_all_after_it_leaves_the_descriptions_until_then(events: list[Interaction]) -> None:
    targets = wanted(events)
    assume(targets)
    cut = targets[len(targets) // 2].time_us
    changed = [
        msgspec.structs.replace(event, item_id="other", category="other")
        if event.time_us >= cut and event.item_id
        else event
        for event in events
    ]
    until = sum(event.time_us <= cut for event in targets)
    assert described(events)[:until] == described(changed)[:until]


@pytest.mark.parametrize(("days", "expected"), [(29, {"tent"}), (31, set())])
def test_a_description_is_aged_to_its_event_as_serving_ages_what_it_reads(days: int, expected: set[str]) -> None:
    later = 1 + days * 86_400_000_000
    events = [
        Interaction("cart", "add_to_cart", 1, "s0", user_id="u0", item_id="tent"),
        Interaction("later", "view", later, "s0", user_id="u0", item_id="lamp"),
    ]
    _, description = described(events)
    assert values(description, "cart").keys() == expected
    assert values(description, "recent").keys() == {"tent"}


class AskedFor:
    """A source that notes which shoppers are asked for."""

    def __init__(self, source: HistorySource) -> None:
        self._source = source
        self.targets = source.targets
        self.items = source.items
        self.numbers: list[int] = []

    def shoppers(self, numbers: Numbers) -> Iterator[Shopper]:
        self.numbers += numbers.tolist()
        return self._source.shoppers(numbers)


@pytest.mark.parametrize("most", [5, 24])
def test_a_sample_is_even_over_time_and_the_model_says_how_many_there_were(tmp_path: Path, most: int) -> None:
    events = [
        Interaction(f"e{number:02d}", "view", 1_000 * (1 + number // 2), f"s{number % 3}", item_id=f"i{number % 4}")
        for number in range(49)
    ]
    write_history(tmp_path, events)
    source = AskedFor(HistorySource(tmp_path, plain_batches(tmp_path)))
    parameters = TrainingParameters(
        embedding_size=2, most_epochs=1, threads=1, validation_ratio=0, test_ratio=0, most_examples=most
    )

    model = train_model(source, parameters, lambda *_: None)

    assert (model.manifest.events, model.manifest.examples) == (49, most)
    gaps = np.diff(source.numbers)
    assert (source.numbers[0], source.numbers[-1]) == (0, 48)
    assert gaps.max() - gaps.min() <= 1

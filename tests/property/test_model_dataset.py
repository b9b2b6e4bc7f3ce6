"""The training set against a recount from the events alone, over random histories."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from recommender.features import Interaction, implicit_session
from recommender.model.dataset import TARGET_WEIGHTS, TrainingSet, build
from tests.histories import plain_join, write_history

KINDS = ("view", "click", "add_to_cart", "add_to_wishlist", "purchase", "search", "remove_from_cart")


@st.composite
def histories(draw: st.DrawFn) -> list[Interaction]:
    """Events of few shoppers and items, many at one instant, some late, some twice, some sessions of known users."""
    events = []
    for number in range(draw(st.integers(24, 40))):
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


def targets(events: list[Interaction]) -> list[Interaction]:
    """The events that can be examples, in the order of the examples."""
    once = {event.event_id: event for event in events if event.kind in TARGET_WEIGHTS and not event.late}
    return sorted(once.values(), key=lambda event: (event.time_us, event.event_id))


def training_set(events: list[Interaction], most_examples: int = 1_000) -> TrainingSet:
    with tempfile.TemporaryDirectory() as folder:
        write_history(Path(folder), events)
        return build(Path(folder), plain_join(Path(folder)), most_examples=most_examples)


def described(data: TrainingSet, example: int, group: str) -> set[str]:
    row = data.states.matrix[data.state_numbers[example]]
    prefix = f"{group}="
    names = (data.states.features[column] for column in row.indices)
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def recount(events: list[Interaction], target: Interaction) -> tuple[set[str], set[str]]:
    """What was looked at in the shopper's sessions, and who had been seen there, before the target."""
    sessions = {target.session_id, implicit_session(target.user_id) if target.user_id else target.session_id}
    before = [event for event in events if event.time_us < target.time_us and not event.late]
    theirs = [event for event in before if event.session_id in sessions]
    looks = {event.item_id for event in theirs if event.kind in TARGET_WEIGHTS}
    users = {event.user_id for event in theirs if event.user_id}
    users |= {event.user_id for event in before if event.user_id and event.user_id == target.user_id}
    return looks, users


SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(histories())
def test_a_state_holds_what_came_before_its_event_and_nothing_else(events: list[Interaction]) -> None:
    wanted = targets(events)
    assume(len(wanted) >= 20)
    assume(len({event.item_id for event in wanted}) >= 2)
    data = training_set(events)
    assert data.times_us.tolist() == [event.time_us for event in wanted]
    assert [data.item_ids[number] for number in data.item_numbers] == [event.item_id for event in wanted]
    assert data.weights.tolist() == [TARGET_WEIGHTS[event.kind] for event in wanted]
    for example, target in enumerate(wanted):
        looks, users = recount(events, target)
        assert described(data, example, "recent") == looks
        assert described(data, example, "browsed") == {"c" + item[1] for item in looks}
        assert described(data, example, "user") <= users
        if not users:
            assert not described(data, example, "likes")


@SETTINGS
@given(histories())
def test_changing_an_event_and_all_after_it_leaves_the_states_until_then(events: list[Interaction]) -> None:
    wanted = targets(events)
    assume(len(wanted) >= 20)
    assume(len({event.item_id for event in wanted}) >= 2)
    cut = wanted[len(wanted) // 2].time_us
    changed = [
        msgspec.structs.replace(event, item_id="other", category="other")
        if event.time_us >= cut and event.item_id
        else event
        for event in events
    ]
    assume(len({event.item_id for event in targets(changed)}) >= 2)
    before, after = training_set(events), training_set(changed)
    for example in range(sum(event.time_us <= cut for event in wanted)):
        for group in ("recent", "browsed", "cart", "query", "user", "likes"):
            assert described(before, example, group) == described(after, example, group)


@SETTINGS
@given(histories())
def test_a_sample_is_even_over_time_and_says_how_many_there_were(events: list[Interaction]) -> None:
    wanted = targets(events)
    assume(len(wanted) >= 20)
    assume(len({event.item_id for event in wanted}) >= 2)
    data = training_set(events, most_examples=5)
    assert data.events == len(wanted)
    assert len(data.times_us) == 5
    assert data.times_us[0] == wanted[0].time_us
    assert data.times_us[-1] == wanted[-1].time_us


@pytest.mark.parametrize(("days", "expected"), [(29, {"tent"}), (31, set())])
def test_a_state_is_aged_to_its_event_as_serving_ages_what_it_reads(days: int, expected: set[str]) -> None:
    day = 86_400_000_000
    events = [Interaction("cart", "add_to_cart", 1, "s0", user_id="u0", item_id="tent")]
    events += [Interaction(f"e{n:02d}", "view", 2, f"other{n}", item_id=f"i{n % 2}") for n in range(20)]
    events.append(Interaction("later", "view", days * day, "s0", user_id="u0", item_id="lamp"))

    data = training_set(events)

    assert data.times_us[-1] == days * day
    assert described(data, len(data.times_us) - 1, "cart") == expected
    assert described(data, len(data.times_us) - 1, "recent") == {"tent"}

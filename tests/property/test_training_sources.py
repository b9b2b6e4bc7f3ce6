"""The training set's two sources over random histories: one reads what the stream wrote, the other folds the events."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender.features import Interaction, implicit_session
from recommender.features.shopper import Shopper
from recommender.training.dataset import TARGET_KINDS, Targets, TrainingSource
from recommender.training.history_source import HistorySource
from recommender.training.replay_source import ReplaySource
from tests.histories import plain_batches, write_history

KINDS = (*TARGET_KINDS, "search", "remove_from_cart")
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def logs(draw: st.DrawFn) -> list[Interaction]:
    """Events of few shoppers and items, many at one instant, some late, some twice, some sessions of known users."""
    events = []
    for number in range(draw(st.integers(0, 40))):
        kind = draw(st.sampled_from(KINDS))
        user_id = draw(st.sampled_from(("", "", "u0", "u1")))
        session_id = draw(st.sampled_from(("s0", "s1", "s2", implicit_session(user_id) if user_id else "s3")))
        event = Interaction(f"e{number:03d}", kind, draw(st.integers(1, 25)) * 1_000, session_id, user_id=user_id)
        event.device, event.country = draw(st.sampled_from(("", "mobile"))), draw(st.sampled_from(("", "DE", "FR")))
        if kind == "search":
            event.query = "boots"
        else:
            event.item_id = draw(st.sampled_from(("i0", "i1", "i2", "i3", "i4", "i5")))
            event.category = "c" + event.item_id[1]
        if kind == "purchase":
            event.order_id = draw(st.sampled_from(("", "o1", "o2")))
        event.late = draw(st.integers(0, 9)) == 0
        events.append(event)
        if draw(st.integers(0, 9)) == 0:
            events.append(msgspec.structs.replace(event))
    return events


def history_source(folder: str, log: list[Interaction]) -> HistorySource:
    write_history(Path(folder), [msgspec.structs.replace(event) for event in log])
    return HistorySource(Path(folder), plain_batches(Path(folder)))


def on_time(log: list[Interaction]) -> list[Interaction]:
    return [event for event in log if not event.late]


def told(targets: Targets) -> list[tuple[object, ...]]:
    """The targets one by one, with their ids."""
    return [
        (
            int(targets.times_us[number]),
            TARGET_KINDS[targets.kinds[number]],
            targets.session_ids[int(targets.sessions[number])].as_py(),
            targets.user_ids[targets.users[number]] if targets.users[number] >= 0 else "",
            targets.item_ids[targets.items[number]],
            targets.device_names[targets.devices[number]],
            targets.country_names[targets.countries[number]],
        )
        for number in range(len(targets))
    ]


def shoppers(source: TrainingSource) -> list[Shopper]:
    return list(source.shoppers(np.arange(len(source.targets()))))


@SETTINGS
@given(logs())
def test_the_targets_are_the_events_about_items_each_once_in_order_without_late_ones(log: list[Interaction]) -> None:
    once = {event.event_id: event for event in on_time(log) if event.kind in TARGET_KINDS}
    wanted = sorted(once.values(), key=lambda event: (event.time_us, event.event_id))
    expected = [
        (event.time_us, event.kind, event.session_id, event.user_id, event.item_id, event.device, event.country)
        for event in wanted
    ]
    with tempfile.TemporaryDirectory() as folder:
        targets = history_source(folder, log).targets()
    assert told(targets) == expected
    assert told(ReplaySource(on_time(log)).targets()) == expected
    orders = [event.order_id if event.kind == "purchase" else "" for event in wanted]
    assert [number < 0 for number in targets.orders] == [not order for order in orders]
    assert len({order for order in orders if order}) == len({number for number in targets.orders if number >= 0})
    assert targets.item_ids == sorted(set(targets.item_ids))


@SETTINGS
@given(logs())
def test_history_and_replay_give_the_same_shoppers_and_items(log: list[Interaction]) -> None:
    replay = ReplaySource(on_time(log))
    with tempfile.TemporaryDirectory() as folder:
        history = history_source(folder, log)
        assert shoppers(history) == shoppers(replay)
        for as_of_us in (0, 12_500, 10**9):
            ours = [(rows.item_id, rows.catalogue) for rows in history.items(as_of_us)]
            assert ours == [(rows.item_id, rows.catalogue) for rows in replay.items(as_of_us)]


@SETTINGS
@given(logs())
def test_a_shopper_holds_what_came_before_its_event_and_nothing_of_the_same_instant(log: list[Interaction]) -> None:
    replay = ReplaySource(on_time(log))
    for (time_us, _, session_id, user_id, *_), shopper in zip(told(replay.targets()), shoppers(replay), strict=True):
        before = [event for event in on_time(log) if event.time_us < time_us and event.kind in TARGET_KINDS]
        theirs = {event.item_id for event in before if event.session_id in (session_id, f"user:{user_id}")}
        assert {item for session in shopper.sessions for item in session.recent_items} == theirs
        of_user = {event.item_id for event in before if user_id and event.user_id == user_id}
        assert set(shopper.items.items if shopper.items else []) == of_user
        bought = {event.item_id for event in before if event.user_id and event.user_id == user_id} & {
            event.item_id for event in before if event.kind == "purchase" and event.user_id == user_id
        }
        assert set(shopper.purchases.items if shopper.purchases else []) == bought


@SETTINGS
@given(logs(), st.data())
def test_asking_for_some_gives_what_asking_for_all_gives(log: list[Interaction], data: st.DataObject) -> None:
    replay = ReplaySource(on_time(log))
    everyone = shoppers(replay)
    numbers = sorted(data.draw(st.sets(st.integers(0, len(everyone) - 1)))) if everyone else []
    assert list(replay.shoppers(np.array(numbers, np.int64))) == [everyone[number] for number in numbers]


@SETTINGS
@given(logs())
def test_events_share_a_moment_if_shopper_instant_and_context_are_alike(log: list[Interaction]) -> None:
    targets = ReplaySource(on_time(log)).targets()
    firsts, places = targets.moments(np.arange(len(targets)))
    keys = [(time_us, session, user, *context) for time_us, _, session, user, _, *context in told(targets)]
    assert [keys[number] for number in firsts] == list(dict.fromkeys(keys))
    assert [keys[firsts[place]] for place in places] == keys


@SETTINGS
@given(logs(), st.integers(0, 26_000), st.integers(0, 26_000))
def test_a_range_of_time_is_half_open_and_features_go_back_before_it(
    log: list[Interaction], since_us: int, until_us: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        everything = history_source(folder, log)
        some = HistorySource(Path(folder), plain_batches(Path(folder)), since_us, until_us)
        expected = [
            (target, shopper)
            for target, shopper in zip(told(everything.targets()), shoppers(everything), strict=True)
            if since_us <= target[0] < until_us  # type: ignore[operator]
        ]
        assert list(zip(told(some.targets()), shoppers(some), strict=True)) == expected

"""Which questions a part of the events gives."""

from __future__ import annotations

import numpy as np

from recommender.features import Interaction
from recommender.training.asking import Asked, Asking
from recommender.training.parameters import TrainingParameters
from recommender.training.replay_source import ReplaySource

SECOND = 1_000_000


def event(second: int, kind: str, item_id: str, user_id: str = "ada", session_id: str = "") -> Interaction:
    session_id = session_id or f"of {user_id}"
    return Interaction(f"{second:03d} {user_id} {item_id}", kind, second * SECOND, session_id, user_id, item_id)


def asked(log: list[Interaction], begin: int, most: int = 100, **parameters: float) -> dict[int, Asked]:
    """Questions about the events from one on, keyed by second: here each is at a second of its own, or alike."""
    targets = ReplaySource(log).targets()
    found = Asking(targets, TrainingParameters(**parameters)).about(np.arange(begin, len(targets)), most)  # type: ignore[arg-type]
    return {int(targets.times_us[number]) // SECOND: about for number, about in found.items()}


def test_what_comes_next_is_every_item_of_the_moment() -> None:
    log = [
        event(1, "view", "a"),
        event(2, "purchase", "b"),
        event(2, "purchase", "c"),
        event(2, "purchase", "d", "bob"),
        event(3, "view", "e"),
    ]
    targets = ReplaySource(log).targets()
    found = Asking(targets, TrainingParameters()).about(np.arange(1, 5), 100)
    assert [(about.now_us // SECOND, set(about.answers)) for about in found.values()] == [
        (2, {"b", "c"}),
        (2, {"d"}),
        (3, {"e"}),
    ]
    assert list(found) == sorted(found)


def test_of_many_moments_as_many_are_asked_as_are_wanted() -> None:
    log = [event(second, "view", f"i{second}") for second in range(1, 50)]
    found = asked(log, 10, most=7)
    assert len(found) == 7
    assert all(about == Asked(second * SECOND, frozenset({f"i{second}"})) for second, about in found.items())
    assert asked(log, 10, most=0) == {}
    assert asked(log, len(log)) == {}


def test_over_a_horizon_a_known_user_is_asked_once_at_its_beginning() -> None:
    log = [
        event(1, "view", "old"),
        event(10, "view", "nobody's", user_id="", session_id="s"),
        event(11, "view", "a"),
        event(12, "view", "b", "bob"),
        event(13, "view", "c"),
    ]
    assert asked(log, 1, horizon_days=1.0) == {
        11: Asked(10 * SECOND, frozenset({"a", "c"})),
        12: Asked(10 * SECOND, frozenset({"b"})),
    }


def test_purchases_are_foreseen_where_there_are_any_from_before_all_that_the_user_does_in_the_horizon() -> None:
    log = [
        event(1, "view", "old"),
        event(10, "view", "a"),
        event(11, "add_to_cart", "a"),
        event(12, "view", "x", "bob"),
        event(13, "purchase", "a"),
        event(14, "purchase", "b"),
    ]
    assert asked(log, 1, horizon_days=1.0) == {10: Asked(10 * SECOND, frozenset({"a", "b"}))}

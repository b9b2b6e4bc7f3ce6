"""The step that keeps what is known of shoppers: which rows a batch of events makes, and what it remembers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dataflows.effects import Effects, Forgotten
from dataflows.keyed_state import KeyedState
from dataflows.online import Waiting
from dataflows.user_stage import UserStage
from recommender.features import FeatureRow, Interaction, UserFeatures, UserItems, UserPurchases
from recommender.features.user import UserState
from recommender.settings import Settings

NOON_US = 1_700_000_000_000_000


def event(number: int, kind: str, item_id: str = "", user_id: str = "ada") -> Interaction:
    time_us = NOON_US + number * 1_000_000
    return Interaction(f"e{number}", kind, time_us, "s1", user_id, item_id, order_id=f"o{number}")


def states_in(folder: Path) -> KeyedState[UserState]:
    return KeyedState(folder / "users" / "00.sqlite3", UserState, 0)


def rows_of(states: KeyedState[UserState], *batch: Interaction) -> list[FeatureRow]:
    rows = UserStage(Settings()).process([list(batch)], states).rows
    states.end_batch()  # from here on the states are encoded
    return rows


def of_view(rows: list[FeatureRow], row_type: type[FeatureRow]) -> FeatureRow:
    (row,) = (row for row in rows if isinstance(row, row_type))
    return row


def test_a_batch_makes_a_user_row_for_each_event_and_one_row_for_each_shopper_of_the_views_with_long_lists(
    tmp_path: Path,
) -> None:
    batch = [event(1, "view", "a"), event(2, "purchase", "b"), event(3, "purchase", "a"), event(4, "search")]
    rows = rows_of(states_in(tmp_path), *batch, event(5, "view", "c", "bob"))
    assert Counter((row.view, row.key) for row in rows) == {
        ("user", "ada"): 4,
        ("user_items", "ada"): 1,
        ("user_purchases", "ada"): 1,
        ("user", "bob"): 1,
        ("user_items", "bob"): 1,
    }


def test_an_event_that_shows_no_interest_makes_a_user_row_alone(tmp_path: Path) -> None:
    states = states_in(tmp_path)
    rows_of(states, event(1, "purchase", "a"))
    assert [row.view for row in rows_of(states, event(2, "search"), event(3, "remove_from_cart", "a"))] == ["user"] * 2


def test_batches_of_any_size_leave_the_same_rows(tmp_path: Path) -> None:
    events = [event(number, ("view", "purchase", "search")[number % 3], f"i{number % 5}") for number in range(30)]
    at_once = rows_of(states_in(tmp_path / "at once"), *events)
    states, singly = states_in(tmp_path / "singly"), []
    for each in events:
        singly += rows_of(states, each)
    for row_type in (UserItems, UserPurchases):
        assert [row for row in singly if isinstance(row, row_type)][-1] == of_view(at_once, row_type)
    assert [row for row in singly if isinstance(row, UserFeatures)] == [
        row for row in at_once if isinstance(row, UserFeatures)
    ]


def test_what_was_looked_at_and_bought_goes_on_after_the_states_were_saved(tmp_path: Path) -> None:
    states = states_in(tmp_path)
    rows_of(states, event(1, "view", "a"), event(2, "purchase", "b"))
    version = states.snapshot()
    states.close()
    again = KeyedState(tmp_path / "users" / "00.sqlite3", UserState, version)
    rows = rows_of(again, event(3, "view", "b"), event(4, "purchase", "a"))
    items, purchases = of_view(rows, UserItems), of_view(rows, UserPurchases)
    assert isinstance(items, UserItems)
    assert isinstance(purchases, UserPurchases)
    assert (items.items, items.looks) == (["a", "b"], [2, 2])
    assert (purchases.items, purchases.orders) == (["a", "b"], [1, 1])
    again.close()


def test_rows_that_wait_to_be_written_go_with_a_shopper_who_is_forgotten_whatever_their_view(tmp_path: Path) -> None:
    rows = rows_of(states_in(tmp_path), event(1, "purchase", "a"), event(2, "purchase", "a", "bob"))
    waiting = Waiting()
    waiting.take(Effects(rows=rows))
    waiting.take(Effects(forgotten=[Forgotten("user_id", "ada")]))
    assert {key for _, key in waiting.rows} == {"bob"}
    assert waiting.gone == {("user_id", "ada")}

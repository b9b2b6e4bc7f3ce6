"""What a shopper has looked at and bought: the same in any order of arrival, and what a plain count gives."""

from __future__ import annotations

import random
from collections import defaultdict

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.features import Interaction, UserItems, UserPurchases, user_items, user_purchases
from recommender.features.user_items import UserItemsState
from recommender.features.user_purchases import UserPurchasesState

START = 1_700_000_000_000_000
MINUTE = 60_000_000
DAY = 86_400_000_000
LOOKS = ["view", "click", "add_to_wishlist", "add_to_cart", "purchase"]
OTHERS = ["search", "remove_from_cart", "remove_from_wishlist", "refund", "exposure", "payment"]


def event(time_us: int, item_id: str, kind: str = "view", order_id: str = "", quantity: int = 1) -> Interaction:
    return Interaction(
        "e", kind, START + time_us, "s1", "u1", item_id, order_id=order_id or f"o{time_us}", quantity=quantity
    )


def items_of(events: list[Interaction]) -> UserItems:
    state = UserItemsState()
    for each in events:
        user_items.fold(state, each)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserItemsState)
    return user_items.row("u1", state)


def purchases_of(events: list[Interaction]) -> UserPurchases:
    state = UserPurchasesState()
    for each in events:
        user_purchases.fold(state, each)
        state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=UserPurchasesState)
    return user_purchases.row("u1", state)


def plain_items(events: list[Interaction]) -> list[tuple[str, int, int]]:
    """Items, the last first; each begins anew where 120 others were looked at since."""
    looks: dict[str, int] = {}
    last: dict[str, int] = {}
    for each in sorted(events, key=lambda each: (each.time_us, each.item_id)):
        if each.kind not in LOOKS:
            continue
        item = each.item_id
        since = sum(at > (last[item], item) for at in ((last[other], other) for other in last)) if item in last else 0
        looks[item] = looks[item] + 1 if item in last and since < 120 else 1
        last[item] = each.time_us
    shown = sorted(last, key=lambda item: (last[item], item), reverse=True)[:100]
    return [(item, last[item] // 1_000, looks[item]) for item in shown]


def shown_items(row: UserItems) -> list[tuple[str, int, int]]:
    return list(zip(row.items, row.last_at_ms, row.looks, strict=True))


def delayed(events: list[Interaction], chance: random.Random) -> list[Interaction]:
    """An order of arrival in which no event is older than the latest one before it by more than half an hour."""
    return sorted(events, key=lambda each: each.time_us + chance.randint(0, 30 * MINUTE))


looks = st.lists(
    st.builds(
        event,
        st.integers(0, 600 * MINUTE) | st.sampled_from([0, MINUTE, 60 * MINUTE]),
        st.integers(0, 6).map(lambda number: f"i{number}"),
        st.sampled_from(LOOKS + OTHERS),
    ),
    min_size=1,
    max_size=40,
)


@given(looks, st.randoms(use_true_random=False))
def test_items_looked_at_are_what_a_plain_count_gives_in_any_order_of_arrival(
    events: list[Interaction], chance: random.Random
) -> None:
    in_order = items_of(sorted(events, key=lambda each: each.time_us))
    assert shown_items(in_order) == plain_items(events)
    assert items_of(delayed(events, chance)) == in_order


@settings(max_examples=25, deadline=None)
@given(st.integers(), st.sampled_from([119, 120, 121, 160]))
def test_items_that_come_back_after_many_others_count_the_same_in_any_order_of_arrival(seed: int, items: int) -> None:
    chance = random.Random(seed)
    events = [event(number * MINUTE, f"i{number % items}") for number in range(280)]
    events += [event(chance.randrange(280) * MINUTE, f"i{chance.randrange(items)}") for _ in range(60)]
    in_order = items_of(sorted(events, key=lambda each: each.time_us))
    assert shown_items(in_order) == plain_items(events)
    assert items_of(delayed(events, chance)) == in_order


def test_the_hundred_items_looked_at_last_are_shown_and_one_that_comes_back_after_120_others_begins_anew() -> None:
    def back_after(others: int) -> UserItems:
        events = [event(0, "back"), event(1, "back"), *(event(2 + number, f"i{number}") for number in range(others))]
        return items_of([*events, event(10**12, "back")])

    assert len(back_after(99).items) == 100
    assert len(back_after(130).items) == 100
    assert back_after(130).items[:2] == ["back", "i129"]
    assert (back_after(119).looks[0], back_after(120).looks[0]) == (3, 1)


def test_a_shopper_who_looks_a_thousand_times_in_a_minute_is_remembered_in_bounds() -> None:
    events = [event(number, f"i{number % 150}") for number in range(2_000)]
    state = UserItemsState()
    for each in events:
        user_items.fold(state, each)
        assert len(state.recent) <= 256
        assert len(state.items) <= 120
    assert shown_items(user_items.row("u1", state)) == plain_items(events)


lines = st.lists(
    st.builds(
        event,
        st.integers(0, 40 * DAY) | st.sampled_from([0, DAY, 7 * DAY]),
        st.integers(0, 5).map(lambda number: f"i{number}"),
        st.sampled_from(["purchase", "purchase", "view", "refund"]),
        st.integers(0, 8).map(lambda number: f"o{number}"),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=40,
)


@given(lines, st.randoms(use_true_random=False))
def test_purchases_are_what_a_plain_count_gives_in_any_order_of_arrival(
    events: list[Interaction], chance: random.Random
) -> None:
    row = purchases_of(events)
    of_item: dict[str, list[Interaction]] = defaultdict(list)
    for each in events:
        if each.kind == "purchase":
            of_item[each.item_id].append(each)
    times = {item: sorted(each.time_us for each in mine) for item, mine in of_item.items()}
    assert row.items == sorted(of_item, key=lambda item: (times[item][-1], item), reverse=True)
    for item, orders, units, last, days in zip(
        row.items, row.orders, row.units, row.last_at_ms, row.interval_days, strict=True
    ):
        assert orders == len({each.order_id for each in of_item[item]})
        assert units == sum(each.quantity for each in of_item[item])
        assert last == times[item][-1] // 1_000
        assert days == (0 if orders == 1 else (times[item][-1] - times[item][0]) / (orders - 1) / DAY)
    assert purchases_of(chance.sample(events, len(events))) == row


def test_a_second_line_of_an_item_in_one_order_adds_units_but_no_order() -> None:
    weekly = [event(week * 7 * DAY, "milk", "purchase", f"o{week}", 2) for week in range(4)]
    again = event(21 * DAY + MINUTE, "milk", "purchase", "o3", 3)
    row = purchases_of([*weekly, again])
    assert (row.orders, row.units) == ([4], [11])
    assert row.interval_days == [(21 * DAY + MINUTE) / 3 / DAY]
    assert purchases_of(weekly).interval_days == [7.0]


def test_two_hundred_items_bought_are_shown_and_three_hundred_remembered() -> None:
    bought = [event(number * MINUTE, f"i{number}", "purchase") for number in range(300)]
    row = purchases_of(bought)
    assert row.items == [f"i{number}" for number in range(299, 99, -1)]
    assert purchases_of([*bought, event(DAY, "i0", "purchase")]).orders[0] == 2
    assert purchases_of([*bought, event(DAY, "new", "purchase"), event(2 * DAY, "i0", "purchase")]).orders[0] == 1


def test_feature_times_rise_with_every_event_that_counts_and_with_no_other() -> None:
    events = [event(0, "a"), event(5, "b", "search"), event(3, "b", "purchase"), event(3, "b", "refund")]
    assert items_of(events).feature_time_us == START + 3 + 2
    assert purchases_of(events).feature_time_us == START + 3 + 1

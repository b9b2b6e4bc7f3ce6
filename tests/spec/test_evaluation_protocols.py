"""What is asked of which log, and what the contestants see when they are asked."""

from __future__ import annotations

import pytest

from recommender.evaluation.log import Event
from recommender.evaluation.protocols import Protocol, Question, usual_holdout_us
from recommender.evaluation.split import (
    NothingToTest,
    Split,
    before_the_end,
    last_tenth_us,
    latest_of_each,
    of_two_logs,
    read_duration_us,
)
from recommender.features.interaction import Interaction
from tests.logs import DAY_US, SECOND_US, START_US, event, in_order, upsert


def asked(protocol: Protocol) -> list[Question]:
    return [step for step in protocol.steps() if isinstance(step, Question)]


def seen(protocol: Protocol) -> list[tuple[str, list[str], list[str]]]:
    """Of each question: the session or user, the items of the past in order, the targets."""
    return [
        (question.cluster, [event.item_id for event in question.query.past], sorted(question.query.targets))
        for question in asked(protocol)
    ]


def next_item(train: list[Event], test: list[Event]) -> Protocol:
    return Protocol("next-item", of_two_logs(train, test))


TRAIN = [event("s0", "a", 0), event("s0", "b", 1)]


def test_each_event_of_a_session_but_its_first_is_foreseen_from_those_before_it() -> None:
    test = [event("s1", "a", 10), event("s1", "b", 11), event("s1", "c", 12)]
    assert seen(next_item(TRAIN, test)) == [("s1", ["a"], ["b"]), ("s1", ["a", "b"], ["c"])]


def test_lines_of_one_instant_share_a_state_that_has_none_of_them() -> None:
    test = [
        event("s1", "a", 10),
        event("s1", "b", 11, "purchase"),
        event("s1", "c", 11, "purchase"),
        event("s1", "d", 12),
    ]
    assert seen(next_item(TRAIN, test)) == [("s1", ["a"], ["b", "c"]), ("s1", ["a", "b", "c"], ["d"])]


def test_no_target_is_in_its_own_past_at_its_own_time_or_later() -> None:
    test = in_order(*(event(f"s{n % 3}", f"i{n * 7 % 5}", 10 + n // 2) for n in range(60)))
    questions = asked(next_item(TRAIN, test))
    assert len(questions) > 20
    for question in questions:
        assert all(event.time_us < question.query.now_us for event in question.query.past)


def test_all_that_other_shoppers_do_at_the_same_time_is_observed_after_the_questions() -> None:
    test = [event("s1", "a", 10), event("s2", "a", 10), event("s1", "b", 11), event("s2", "c", 11)]
    steps = [
        "ask" if isinstance(step, Question) else f"see {step.item_id}"
        for step in next_item(TRAIN, test).steps()
        if isinstance(step, Question | Interaction)
    ]
    assert steps == ["see a", "see a", "ask", "ask", "see b", "see c"]


def test_a_user_without_sessions_begins_with_what_train_left() -> None:
    train = [event("u1", "a", 0), event("u2", "x", 1)]
    test = [event("u1", "b", 10), event("u1", "c", 11), event("u3", "d", 12), event("u3", "e", 13)]
    questions = asked(next_item(train, test))
    assert [(q.query.user_id, q.length, q.is_known) for q in questions] == [
        ("u1", 1, True),
        ("u1", 2, True),
        ("u3", 1, False),
    ]
    assert [event.item_id for event in questions[0].query.past] == ["a"]


def test_a_known_user_in_a_new_session_is_asked_about_from_the_second_event_of_it_with_the_whole_past() -> None:
    train = [event("u1", "a", 0, session="v1")]
    test = [event("u1", "b", 10, session="v2"), event("u1", "c", 11, session="v2")]
    (question,) = asked(next_item(train, test))
    assert [event.item_id for event in question.query.past] == ["a", "b"]
    assert (question.cluster, question.length) == ("v2", 1)


def test_what_a_session_did_before_it_was_known_whose_it_is_stays_in_its_past() -> None:
    train = [event("u1", "a", 0, session="v1")]
    test = [event("v2", "b", 10), event("u1", "c", 11, session="v2")]
    (question,) = asked(next_item(train, test))
    assert [event.item_id for event in question.query.past] == ["a", "b"]


def test_other_kinds_are_in_the_past_but_neither_asked_about_nor_counted() -> None:
    test = [event("s1", "", 10, "search"), event("s1", "a", 11), event("s1", "a", 12, "remove_from_cart")]
    test.append(event("s1", "b", 13))
    (question,) = asked(next_item(TRAIN, test))
    assert [event.kind for event in question.query.past] == ["search", "view", "remove_from_cart"]
    assert question.length == 1


def test_catalogue_events_of_the_test_part_are_observed() -> None:
    described = upsert("new", 10)
    steps = list(next_item(TRAIN, [described, event("s1", "new", 11)]).steps())
    assert steps[0] is described


def test_without_a_test_log_sessions_that_begin_before_the_cut_are_not_asked_about() -> None:
    events = in_order(
        event("old", "a", 0),
        event("old", "b", 1),
        event("both", "a", 88),
        event("both", "b", 95),
        event("new", "a", 91),
        event("new", "b", 100),
    )
    split = before_the_end(events, 10 * SECOND_US)
    assert split.cut_us == START_US + 90 * SECOND_US
    assert split.straddling == {"both"}
    assert seen(Protocol("next-item", split)) == [("new", ["a"], ["b"])]


def test_a_user_without_sessions_straddles_no_cut() -> None:
    events = [event("u1", "a", 0), event("u1", "b", 95), event("u1", "c", 100)]
    assert len(asked(Protocol("next-item", before_the_end(events, 10 * SECOND_US)))) == 2


def future(split: Split, **options: bool) -> list[Question]:
    return asked(Protocol("future", split, **options))


def test_the_future_of_a_user_is_what_he_buys_after_the_cut_of_what_was_known_before() -> None:
    train = [
        event("u1", "a", 0, "purchase"),
        event("u2", "b", 1),
        event("u3", "c", 2, "purchase"),
    ]
    test = [
        event("u1", "a", 10, "purchase"),
        event("u1", "b", 11, "purchase"),
        event("u1", "c", 12),
        event("u2", "new", 13, "purchase"),
        event("s9", "a", 14, "purchase"),
    ]
    (question,) = future(of_two_logs(train, test))
    query = question.query
    assert (query.user_id, query.targets, query.exclude) == ("u1", {"a", "b"}, frozenset())
    assert query.now_us == START_US + 10 * SECOND_US
    assert query.session_id == "user:u1"


def test_where_there_are_no_purchases_the_future_is_all_events_of_interest() -> None:
    train = [event("u1", "a", 0), event("u1", "b", 1)]
    test = [event("u1", "b", 10), event("u1", "", 11, "search")]
    (question,) = future(of_two_logs(train, test))
    assert question.query.targets == {"b"}


def test_only_new_items_leaves_out_and_excludes_what_the_user_has_bought() -> None:
    train = [
        event("u1", "a", 0, "purchase"),
        event("u1", "b", 1),
        event("u2", "a", 2, "purchase"),
        event("u2", "c", 3, "purchase"),
    ]
    test = [event("u1", "a", 10, "purchase"), event("u1", "b", 11, "purchase"), event("u2", "c", 12, "purchase")]
    (question,) = future(of_two_logs(train, test), new_items_only=True)
    assert (question.query.targets, question.query.exclude) == ({"b"}, {"a"})


def test_a_user_without_a_past_is_asked_about_but_not_counted() -> None:
    train = [event("u1", "a", 0, "purchase"), event("u2", "a", 0, "purchase")]
    test = [event("u1", "a", 10, "purchase"), event("u9", "a", 10, "purchase")]
    known, cold = future(of_two_logs(train, test))
    assert (known.query.user_id, known.is_counted, known.is_known) == ("u1", True, True)
    assert (cold.query.user_id, cold.is_counted, cold.is_known, list(cold.query.past)) == ("u9", False, False, [])


def test_what_is_given_away_in_a_shop_with_prices_is_not_bought() -> None:
    train = [event("u1", "a", 0, "purchase", price_cents=100), event("u1", "b", 1, "purchase", price_cents=0)]
    test = [event("u1", "b", 10, "purchase", price_cents=0), event("u1", "a", 11, "purchase", price_cents=100)]
    (question,) = future(of_two_logs(train, test))
    assert question.query.targets == {"a"}


def test_a_log_of_sessions_alone_has_no_future_to_ask_about() -> None:
    with pytest.raises(NothingToTest, match="future: must hold events of users, with a user_id"):
        future(of_two_logs(TRAIN, [event("s1", "a", 10)]))


def test_a_part_without_events_of_interest_is_told() -> None:
    with pytest.raises(NothingToTest, match="before the cut; got none"):
        before_the_end(TRAIN, 10 * DAY_US)
    with pytest.raises(NothingToTest, match="after the cut; got none"):
        of_two_logs(TRAIN, [event("s1", "", 10, "search")])


def test_stray_dates_do_not_move_the_end() -> None:
    events = [event("s1", "a", n * 86.4) for n in range(10_000)]  # ten days
    stray = [event("s2", "b", 90 * 86_400 + n) for n in range(5)]
    assert before_the_end([*events, *stray], DAY_US).cut_us == events[-1].time_us - DAY_US


def test_the_last_tenth_is_rounded_to_a_unit_that_people_use() -> None:
    def tenth_s(span_s: float) -> float:
        return last_tenth_us([event("s1", "a", 0), event("s1", "a", span_s)]) / SECOND_US

    assert tenth_s(365 * 86_400) == 35 * 86_400
    assert tenth_s(9.2 * 86_400) == 22 * 3_600
    assert tenth_s(70 * 60) == 7 * 60
    assert tenth_s(0) > 0


def test_four_weeks_of_the_future_are_held_out_where_there_are_eight() -> None:
    year, week = ([event("u1", "a", 0), event("u1", "a", days * 86_400)] for days in (365, 7))
    assert usual_holdout_us(year, "future") == 28 * DAY_US
    assert usual_holdout_us(week, "future") == usual_holdout_us(week, "next-item") == 17 * 3_600 * SECOND_US
    assert usual_holdout_us(year, "next-item") == 35 * DAY_US


def test_logs_whose_users_have_times_of_their_own_are_parted_by_user() -> None:
    train = in_order(*(event(f"u{user}", f"i{n}", user * 1_000 + n) for user in range(4) for n in range(10)))
    test = in_order(*(event(f"u{user}", "x", user * 1_000 + 20) for user in range(4)))
    assert of_two_logs(train, test).overlaps
    parted = latest_of_each(train, 2)
    assert [(e.user_id, e.item_id) for e in parted.test if isinstance(e, Interaction)][:3] == [
        ("u0", "i8"),
        ("u0", "i9"),
        ("u1", "i8"),
    ]
    assert len(parted.train) == 32


def test_a_sample_asks_about_some_sessions_whole_and_the_same_ones_each_time() -> None:
    test = in_order(*(event(f"s{n % 20}", f"i{n % 3}", n) for n in range(80)))
    protocol = next_item(TRAIN, test)
    sample = protocol.sampled(5, seed=1)
    assert {question.cluster for question in asked(sample)} == {q.cluster for q in asked(protocol.sampled(5, seed=1))}
    assert len(asked(sample)) == 15
    assert protocol.sampled(20, seed=1) is protocol
    observed = [step for step in sample.steps() if not isinstance(step, Question)]
    assert observed == test


@pytest.mark.parametrize(
    ("text", "seconds"), [("28d", 28 * 86_400), ("12h", 43_200), ("1.5m", 90), ("30s", 30), ("2w", 14 * 86_400)]
)
def test_durations(text: str, seconds: int) -> None:
    assert read_duration_us(text) == seconds * SECOND_US


@pytest.mark.parametrize("text", ["", "28", "d", "-1d", "0d", "1 day", "1d2h"])
def test_what_is_no_duration_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration such as 28d, 12h, 90m or 30s; got"):
        read_duration_us(text)

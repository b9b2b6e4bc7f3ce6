"""What every baseline must do, and the pattern that each one is there to find."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from recommender.evaluation.baselines.ease import MOST_ITEMS, Ease
from recommender.evaluation.baselines.session_knn import SessionKnn
from recommender.evaluation.contest import Contest
from recommender.evaluation.contestants import CONTESTANTS
from recommender.evaluation.contract import Contestant, LeftOut, Query, Scorer
from recommender.evaluation.log import Event
from recommender.evaluation.protocols import Protocol
from recommender.evaluation.split import of_two_logs
from recommender.features.interaction import Interaction, implicit_session
from tests.logs import DAY_US, START_US, event, in_order, quiet

BASELINES = [name for name in CONTESTANTS if name not in ("liveshelf", "lightfm", "lightfm_tuned")]
LEARNERS = ["covisitation", "next_item", "session_knn", "ease", "als", "bpr"]
OF_USERS = ["lightfm", "lightfm_tuned"]

SESSIONS = [
    event(f"s{number}", f"{'abc'[group]}{place}", 100 * number + place)
    for number in range(90)
    for group in [number % 3]
    for place in [(number + step) % 5 for step in range(3)]
]
"""Visits of three groups: each of them sees three of the five items of its group, one after the other."""
PURCHASES = [
    event(f"u{number % 30}", f"{'abc'[number % 3]}{(number // 3 + number // 30) % 5}", 1_000 * number, "purchase")
    for number in range(200)
]


def contest(name: str, train: Sequence[Event]) -> Contest:
    after_s = (train[-1].time_us - START_US) / 1e6 + 60
    test: list[Event] = [event("u1", "a0", after_s, "purchase"), event("s-later", "a0", after_s)]
    return Contest(Protocol("future" if name == "future" else "next-item", of_two_logs(train, test)), seed=1)


def fitted(name: str, train: Sequence[Event], protocol: str = "next-item") -> Contestant:
    contestant = CONTESTANTS[name](contest(protocol, train))
    contestant.fit(train, quiet)
    return contestant


def visit(*items: str, exclude: tuple[str, ...] = ()) -> Query:
    past = [event("s-now", item, 20_000 + place) for place, item in enumerate(items)]
    return Query("", "s-now", START_US + DAY_US, past, frozenset(), frozenset(exclude))


def user(user_id: str, past: list[Interaction], exclude: tuple[str, ...] = ()) -> Query:
    own = [event for event in past if event.user_id == user_id]
    return Query(user_id, implicit_session(user_id), START_US + DAY_US, own, frozenset(), frozenset(exclude))


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_gives_different_items_and_none_to_exclude_and_the_same_ones_each_time(name: str) -> None:
    train = in_order(*SESSIONS)
    query = visit("a0", "a1", exclude=("a1", "b0"))
    first, second = (fitted(name, train).recommend(query, 10) for _ in range(2))
    assert len(first) == len(set(first)) == 10
    assert not {"a1", "b0"} & set(first)
    assert set(first) <= {event.item_id for event in SESSIONS}
    assert first == second


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_an_answer_for_somebody_of_whom_nothing_is_known(name: str) -> None:
    contestant = fitted(name, in_order(*SESSIONS))
    for query in (visit(), visit("never seen"), visit("a0", "never seen")):
        assert len(contestant.recommend(query, 5)) == 5


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_gives_all_there_is_where_more_is_asked_for(name: str) -> None:
    contestant = fitted(name, in_order(*SESSIONS))
    assert len(contestant.recommend(visit("a0"), 100)) == 15
    everything = tuple(f"{group}{place}" for group in "abc" for place in range(5))
    assert contestant.recommend(visit("a0", exclude=everything), 5) == []


@pytest.mark.parametrize("name", LEARNERS)
def test_what_goes_together_is_found_for_a_visit_that_is_not_in_the_log(name: str) -> None:
    contestant = fitted(name, in_order(*SESSIONS))
    found = contestant.recommend(visit("b0", "b1", exclude=("b0", "b1")), 3)
    assert set(found) == {"b2", "b3", "b4"}


@pytest.mark.parametrize("name", [*LEARNERS, *OF_USERS])
def test_what_goes_together_is_found_for_a_user(name: str) -> None:
    contestant = fitted(name, list(PURCHASES), "future")
    had = tuple(event.item_id for event in PURCHASES if event.user_id == "u1")
    assert {item[0] for item in had} == {"b"}
    assert {item[0] for item in contestant.recommend(user("u1", PURCHASES), 4)} == {"b"}


@pytest.mark.parametrize("name", ["ease", "als", "bpr", *OF_USERS])
def test_the_scores_are_those_that_the_items_are_ranked_by(name: str) -> None:
    contestant = fitted(name, list(PURCHASES), "future")
    assert isinstance(contestant, Scorer)
    query = user("u1", PURCHASES)
    item_ids, scores = contestant.scores(query)
    of_item = dict(zip(item_ids, scores.tolist(), strict=True))
    assert [of_item[item] for item in contestant.recommend(query, 5)] == sorted(of_item.values(), reverse=True)[:5]


@pytest.mark.parametrize("name", OF_USERS)
def test_lightfm_gives_what_is_popular_to_a_user_that_it_does_not_know(name: str) -> None:
    train = [*PURCHASES, *(event(f"u{n}", "a0", 300_000 + n, "purchase") for n in range(100))]
    contestant = fitted(name, train, "future")
    assert contestant.recommend(user("u999", []), 1) == ["a0"]
    assert "a0" not in contestant.recommend(user("u999", [], exclude=("a0",)), 20)


def test_lightfm_of_users_takes_no_part_where_visits_are_asked_about() -> None:
    with pytest.raises(LeftOut, match="lightfm_tuned: must have --protocol future"):
        fitted("lightfm_tuned", in_order(*SESSIONS))


def test_next_item_knows_the_order() -> None:
    train = in_order(*(event(f"s{n}", item, 10 * n + place) for n in range(20) for place, item in enumerate("abc")))
    assert fitted("next_item", train).recommend(visit("a"), 1) == ["b"]
    assert fitted("next_item", train).recommend(visit("b"), 1) == ["c"]


def test_popularity_counts_what_is_asked_for() -> None:
    train = [event("u1", "seen", at) for at in range(5)]
    train += [event("u2", "bought", 10, "purchase"), event("u3", "bought", 11, "purchase")]
    assert fitted("popularity", train, "future").recommend(visit(), 2) == ["bought", "seen"]
    assert fitted("popularity", train).recommend(visit(), 2) == ["seen", "bought"]


def test_recent_popularity_forgets() -> None:
    day_s = 86_400
    train = [event("s1", "old", n) for n in range(9)] + [event("s2", "new", 10 * day_s + n) for n in range(2)]
    assert fitted("recent_popularity", train).recommend(visit(), 2) == ["new", "old"]


def test_the_shoppers_own_items_come_first_the_latest_or_the_most_frequent() -> None:
    train = in_order(*SESSIONS)
    query = visit("c0", "c1", "c0", "c0", "c2")
    assert fitted("recent_items", train).recommend(query, 3) == ["c2", "c0", "c1"]
    assert fitted("buy_again", train).recommend(query, 3)[0] == "c0"


def test_lines_of_one_order_count_once_in_buy_again() -> None:
    past = [
        event("u1", "a0", 1, "purchase"),
        event("u1", "a0", 1, "purchase", quantity=3),
        event("u1", "b0", 2, "purchase"),
        event("u1", "b0", 3, "purchase"),
        event("u1", "c0", 4),
    ]
    ranked = fitted("buy_again", in_order(*PURCHASES, *past), "future").recommend(user("u1", past), 2)
    assert ranked == ["b0", "a0"]


@pytest.mark.parametrize("parameters", SessionKnn.grid, ids=str)
def test_the_neighbours_are_those_of_a_plain_count(parameters: dict[str, object]) -> None:
    train = in_order(*(event(f"s{n}", f"i{(n * k) % 7}", 10 * n + k) for n in range(40) for k in range(1, 4)))
    task = contest("next-item", train)
    learned = SessionKnn(task).learn(task.code(train), parameters | {"m": 15, "k": 4})
    for past in (["i1"], ["i1", "i2"], ["i3", "i0", "i5", "i3"]):
        known = task.code(train)
        found = learned.recommend(known.ask(visit(*past)), 7)
        plain = _plain_neighbours(train, past, parameters)
        ranked = [known.item_ids[number] for number in found]
        assert [round(plain.get(item, 0.0), 9) for item in ranked] == sorted(
            (round(plain.get(item, 0.0), 9) for item in known.item_ids), reverse=True
        )


def _plain_neighbours(train: list[Event], past: list[str], parameters: dict[str, object]) -> dict[str, float]:
    from math import log, sqrt

    visits: dict[str, set[str]] = {}
    for one in train:
        if isinstance(one, Interaction):
            visits.setdefault(one.session_id, set()).add(one.item_id)
    latest = list(dict.fromkeys(reversed(past)))
    decay: dict[object, Callable[[int], float]] = {
        "linear": lambda step: 1 - step / 10,
        "div": lambda step: 1 / (1 + step),
        "same": lambda step: 1.0,
    }
    weights = {item: decay[parameters["weighting"]](step) for step, item in enumerate(latest)}
    rarity = {
        item: log(len(visits) / sum(item in own for own in visits.values())) if parameters["idf"] else 1.0
        for own in visits.values()
        for item in own
    }
    latest_of_item = {item: [own for own in visits.values() if item in own][-15:] for item in weights}
    candidates = [own for own in visits.values() if any(own is one for ones in latest_of_item.values() for one in ones)]
    scored = []
    for own in candidates[-15:]:
        common = [item for item in weights if any(own is one for one in latest_of_item[item])]
        similarity = sum(weights[item] * rarity[item] for item in common)
        if parameters["weighting"] == "same":
            similarity /= sqrt(len(own))
        scored.append((similarity, max(weights[item] for item in common), own))
    votes: dict[str, float] = {}
    for similarity, weight, own in sorted(scored, key=lambda entry: -entry[0])[:4]:
        for item in own:
            votes[item] = votes.get(item, 0.0) + similarity * weight * rarity[item]
    return votes


def test_ease_weighs_items_as_the_closed_form_says() -> None:
    train = in_order(*SESSIONS)
    task = contest("next-item", train)
    known = task.code(train)
    matrix = known.matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(matrix.T @ matrix + 20.0 * np.eye(known.n_items))
    weights = np.where(np.eye(known.n_items), 0.0, -inverse / np.diag(inverse))
    asked = known.ask(visit("a0", "a1", "a0"))
    found = Ease(task).learn(known, {"ridge": 20.0}).scores(asked)
    assert found == pytest.approx(weights[known.numbers["a0"]] + weights[known.numbers["a1"]], abs=1e-6)


def test_ease_is_left_out_where_there_are_too_many_items() -> None:
    train: list[Event] = [event("s1", f"i{n}", n) for n in range(MOST_ITEMS + 1)]
    with pytest.raises(LeftOut, match="ease: must have at most 20,000 items; got 20,001"):
        Ease(contest("next-item", train)).fit(train, quiet)


def test_parameters_are_chosen_on_the_end_of_train() -> None:
    """Fashion changes each day, so of all windows the shortest foresees best."""
    day_s = 86_400
    train = in_order(
        *(
            event(f"s{day}-{n}", f"day{day}", day * day_s + 60 * n + k)
            for day in range(40)
            for n in range(9)
            for k in (0, 1)
        )
    )
    task = contest("next-item", train)
    contestant = CONTESTANTS["recent_popularity"](task)
    contestant.fit(train, quiet)
    assert vars(contestant)["chosen"] == {"window": "1d"}
    validation = task.validation(train)
    assert validation is not None
    assert max(e.time_us for e in validation.protocol.split.train) < min(q.now_us for q in validation.queries)

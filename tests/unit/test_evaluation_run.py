"""One evaluation as a whole: slices, the best baseline, and contestants that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from recommender.evaluation.contest import Contest
from recommender.evaluation.contract import Contestant, LeftOut, Query
from recommender.evaluation.log import Event, Progress
from recommender.evaluation.protocols import Protocol
from recommender.evaluation.run import evaluate
from recommender.evaluation.split import of_two_logs
from tests.logs import event, in_order, quiet


class Scripted:
    """Answers by a rule."""

    def __init__(self, name: str, answer: Callable[[Query], list[str]]) -> None:
        self.name = name
        self._answer = answer

    def fit(self, train: Sequence[Event], progress: Progress) -> None:
        pass

    def recommend(self, query: Query, k: int) -> list[str]:
        return self._answer(query)

    def observe(self, event: Event) -> None:
        pass


def run(protocol: Protocol, ks: list[int] | None = None, **rules: Callable[[Query], list[str]]) -> Any:
    def maker(name: str) -> Callable[[Contest], Contestant]:
        return lambda contest: Scripted(name, rules[name])

    return evaluate(protocol, {name: maker(name) for name in rules}, ks or [1, 2], 1, quiet)


TRAIN = [event("u1", "a", 0), event("u1", "b", 1), event("u2", "a", 2), event("s0", "b", 3)]
VISITS = Protocol(
    "next-item",
    of_two_logs(
        TRAIN,
        in_order(
            *(event(f"s{n}", item, 100 * n + place) for n in range(1, 40) for place, item in enumerate("abnewb"[:5])),
            event("u1", "b", 90_000),
            event("u9", "a", 91_000),
            event("u9", "b", 92_000),
        ),
    ),
)


def test_slices_part_the_trials_by_length_unknown_users_and_unknown_items() -> None:
    report = run(VISITS, best=lambda query: ["b"])
    assert report["queries"] == 39 * 4 + 2
    assert report["users"] == 41
    slices = report["models"]["best"]["slices"]
    queries = {name: figures["queries"] for name, figures in slices.items()}
    assert queries == {
        "length_1": 40,
        "length_2": 40,
        "length_3": 39,
        "length_4+": 39,
        "cold_users": 1,
        "cold_items": 39 * 3,
    }
    assert slices["length_1"]["hit_rate@1"] == slices["cold_users"]["hit_rate@1"] == 1.0
    assert slices["cold_items"]["hit_rate@2"] == 0.0
    assert report["models"]["best"]["hit_rate@1"] == pytest.approx(41 / 158, abs=1e-5)


def test_users_without_a_past_are_a_slice_of_the_future_and_not_counted() -> None:
    test = [event("u1", "a", 10), event("u2", "b", 11), event("u9", "b", 12)]
    report = run(Protocol("future", of_two_logs(TRAIN, test)), popular=lambda query: ["b"])
    model = report["models"]["popular"]
    assert (report["queries"], report["users"], model["hit_rate@1"]) == (2, 2, 0.5)
    assert (model["slices"]["cold_users"]["queries"], model["slices"]["cold_users"]["hit_rate@1"]) == (1, 1.0)
    assert model["coverage@1"] == 0.5


def test_the_best_baseline_is_told_with_how_far_ours_is_above_it() -> None:
    report = run(
        VISITS,
        weak=lambda query: ["x", "y"],
        fair=lambda query: ["a", "b"],
        liveshelf=lambda query: ["b", "new"],
        liveshelf_nightly=lambda query: sorted(query.targets),
    )
    best = report["best_baseline"]["mrr@2"]
    assert best["model"] == "fair"
    ours, theirs = (report["models"][name]["mrr@2"] for name in ("liveshelf", "fair"))
    assert best["difference"] == pytest.approx(ours - theirs, abs=2e-5)
    assert 0 < best["difference_low"] <= best["difference"] <= best["difference_high"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda query: ["a", "a"], "bad: must give up to 2 different items, and none to exclude; got 2 items"),
        (lambda query: ["a", "b", "c"], "bad: must give up to 2 different items, and none to exclude; got 3 items"),
    ],
)
def test_who_breaks_the_rules_is_left_out(answer: Callable[[Query], list[str]], reason: str) -> None:
    report = run(VISITS, good=lambda query: ["a"], bad=answer)
    assert set(report["models"]) == {"good"}
    assert report["left_out"] == {"bad": reason}


def test_who_recommends_what_is_to_be_excluded_is_left_out() -> None:
    test = [event("u2", "b", 10)]
    protocol = Protocol("future", of_two_logs(TRAIN, test), new_items_only=True)
    report = run(protocol, good=lambda query: ["b"], bad=lambda query: ["a"])
    assert (set(report["models"]), set(report["left_out"])) == ({"good"}, {"bad"})


def test_who_fails_is_left_out_with_the_error_and_its_place() -> None:
    def fail(query: Query) -> list[str]:
        raise KeyError(query.session_id)

    def refuse(query: Query) -> list[str]:
        raise LeftOut("shy: must not be asked")

    report = run(VISITS, good=lambda query: ["a"], bad=fail, shy=refuse)
    assert report["left_out"]["bad"].startswith("bad: failed with KeyError: 's1' (test_evaluation_run.py, line ")
    assert report["left_out"]["shy"] == "shy: must not be asked"
    assert run(VISITS, bad=fail)["models"] == {}

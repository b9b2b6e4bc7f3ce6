"""Figures and protocols, against a slow plain recount."""

from __future__ import annotations

from math import log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.evaluation import metrics
from recommender.evaluation.coded import added, gather, latest_times
from recommender.evaluation.contract import Query
from recommender.evaluation.log import Event, Progress
from recommender.evaluation.protocols import Protocol, Question
from recommender.evaluation.run import evaluate
from recommender.evaluation.split import NothingToTest, of_two_logs
from tests.logs import event, in_order, quiet

ITEMS = st.sampled_from("abcdef")


@given(
    st.lists(st.tuples(st.permutations("abcdef"), st.sets(ITEMS, min_size=1)), min_size=1, max_size=8),
    st.integers(1, 6),
)
def test_each_figure_is_what_a_plain_count_of_the_list_gives(lists: list[tuple[list[str], set[str]]], k: int) -> None:
    hits = np.array([[item in targets for item in ranked] for ranked, targets in lists])
    counts = np.array([len(targets) for _, targets in lists])
    figures = metrics.trial_figures(hits, counts, [k])
    for number, (ranked, targets) in enumerate(lists):
        found = [place for place, item in enumerate(ranked[:k]) if item in targets]
        gain = sum(1 / log2(place + 2) for place in found)
        best = sum(1 / log2(place + 2) for place in range(min(k, len(targets))))
        plain = {
            f"hit_rate@{k}": float(bool(found)),
            f"mrr@{k}": 1 / (found[0] + 1) if found else 0.0,
            f"ndcg@{k}": gain / best,
            f"precision@{k}": len(found) / k,
            f"recall@{k}": len(found) / len(targets),
        }
        assert {name: figure[number] for name, figure in figures.items()} == pytest.approx(plain)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(entries: list[tuple[int, bool]]) -> None:
    right = [score for score, is_target in entries if is_target]
    wrong = [score for score, is_target in entries if not is_target]
    found = metrics.auc(np.array([s for s, _ in entries], np.float32), np.array([t for _, t in entries]))
    if not right or not wrong:
        assert np.isnan(found)
    else:
        pairs = [(a > b) + (a == b) / 2 for a in right for b in wrong]
        assert found == pytest.approx(sum(pairs) / len(pairs))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 9)), max_size=60), st.sampled_from([60, 10_000]))
def test_weights_are_added_up_by_number(entries: list[tuple[int, int]], count: int) -> None:
    numbers = np.array([number for number, _ in entries], np.int64)
    weights = np.array([weight for _, weight in entries], np.float64)
    different, sums = added(numbers, weights, count)
    plain: dict[int, float] = {}
    for number, weight in entries:
        plain[number] = plain.get(number, 0) + weight
    assert dict(zip(different.tolist(), sums.tolist(), strict=True)) == plain


@given(st.lists(st.lists(st.integers(0, 9), max_size=5), min_size=1, max_size=6), st.data())
def test_entries_of_rows_are_gathered_row_after_row(rows: list[list[int]], data: st.DataObject) -> None:
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    entries = np.array([entry for row in rows for entry in row], np.int64)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
    places, lengths = gather(starts, np.array(chosen, np.int64))
    assert entries[places].tolist() == [entry for row in chosen for entry in rows[row]]
    assert lengths.tolist() == [len(rows[row]) for row in chosen]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=20))
def test_the_latest_time_of_each_item_is_counted_from_the_end(entries: list[tuple[int, int]]) -> None:
    entries.sort(key=lambda entry: entry[1])
    items, later = latest_times(
        np.array([i for i, _ in entries], np.int64), np.array([t for _, t in entries], np.int64)
    )
    latest = dict(entries)
    times = sorted(set(latest.values()), reverse=True)
    assert dict(zip(items.tolist(), later.tolist(), strict=True)) == {i: times.index(t) for i, t in latest.items()}


class Watcher:
    """Recommends in a fixed order, and checks that it is asked about nothing that it has been shown."""

    name = "watcher"

    def __init__(self, _: object = None) -> None:
        self.shown: list[Event] = []
        self.asked: list[tuple[frozenset[str], list[str]]] = []

    def fit(self, train: list[Event], progress: Progress) -> None:
        self.shown = list(train)

    def recommend(self, query: Query, k: int) -> list[str]:
        mine = [e for e in self.shown if getattr(e, "session_id", "") == query.session_id]
        assert list(query.past) == mine
        assert all(event.time_us < query.now_us for event in query.past)
        ranked = sorted("abcdef", reverse=len(mine) % 2 == 0)[:k]
        self.asked.append((query.targets, ranked))
        return ranked

    def observe(self, event: Event) -> None:
        self.shown.append(event)


@given(st.lists(st.tuples(st.sampled_from(["s1", "s2", "s3"]), ITEMS, st.integers(0, 12)), min_size=2, max_size=30))
def test_an_evaluation_counts_what_was_asked_after_what_had_been_shown(rows: list[tuple[str, str, int]]) -> None:
    train = [event("s0", "a", -2), event("s0", "b", -1)]
    test = in_order(*(event(session, item, at) for session, item, at in rows))
    protocol = Protocol("next-item", of_two_logs(train, test))
    watcher = Watcher()
    if not any(isinstance(step, Question) for step in protocol.steps()):
        with pytest.raises(NothingToTest, match="next-item: must find an event"):
            evaluate(protocol, {"watcher": lambda contest: watcher}, [3], 1, quiet)
        return
    report = evaluate(protocol, {"watcher": lambda contest: watcher}, [3], 1, quiet)
    assert watcher.shown == [*train, *test]
    assert len(watcher.asked) == sum(isinstance(step, Question) for step in protocol.steps())
    trials = [(target, ranked) for targets, ranked in watcher.asked for target in targets]
    assert report["queries"] == len(trials)
    ranks = [ranked.index(target) if target in ranked else None for target, ranked in trials]
    model = report["models"]["watcher"]
    assert model["hit_rate@3"] == pytest.approx(sum(r is not None for r in ranks) / len(ranks), abs=1e-5)
    assert model["mrr@3"] == pytest.approx(sum(1 / (r + 1) for r in ranks if r is not None) / len(ranks), abs=1e-5)

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import RequestProblem
from api.judgement import Refusal, judge_events, results
from recommender.events import View, decode_event

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
VIEW = {
    "kind": "view",
    "event_id": "e-1",
    "event_time": "2026-11-22T08:59:00Z",
    "user_id": "u-1",
    "item_id": "i-1",
}


def judge(value: object) -> list[object]:
    return list(judge_events(json.dumps(value).encode(), 1_000, NOW))


def test_one_event_and_a_list_of_one_are_judged_alike() -> None:
    assert judge(VIEW) == judge([VIEW])
    assert isinstance(judge(VIEW)[0], View)


def test_one_bad_event_does_not_touch_the_others() -> None:
    first, second, third = judge([VIEW, VIEW | {"item_id": ""}, VIEW | {"event_id": "e-3"}])

    assert isinstance(first, View)
    assert isinstance(third, View)
    assert isinstance(second, Refusal)
    assert second.reason == "view.item_id: String should have at least 1 character; got ''"
    assert json.loads(second.payload) == VIEW | {"item_id": ""}


def test_the_limit_of_the_future_is_five_minutes_and_holds_in_a_good_batch_too() -> None:
    at, after = judge(
        [VIEW | {"event_time": "2026-11-22T09:05:00Z"}, VIEW | {"event_time": "2026-11-22T09:05:00.000001Z"}]
    )

    assert isinstance(at, View)
    assert isinstance(after, Refusal)


def test_whole_numbers_beyond_64_bits_keep_their_value_in_the_reason() -> None:
    (refusal,) = judge([VIEW | {"price_cents": 2**70, "currency": "EUR"}])

    assert isinstance(refusal, Refusal)
    assert refusal.reason.endswith(f"got {2**70}")


def test_an_event_id_that_is_no_text_is_not_repeated() -> None:
    verdicts = judge([VIEW | {"event_id": 7}, 7])

    assert [result["event_id"] for result in results(verdicts)] == [None, None]


def test_the_limit_of_a_batch_is_exact() -> None:
    assert len(judge_events(json.dumps([VIEW] * 3).encode(), 3, NOW)) == 3
    with pytest.raises(RequestProblem, match="at most 3 entries; got 4"):
        judge_events(json.dumps([VIEW] * 4).encode(), 3, NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged_or_refused_as_a_whole(body: bytes) -> None:
    try:
        verdicts = judge_events(body, 10, NOW)
    except RequestProblem:
        return
    assert all(isinstance(verdict, Refusal) for verdict in verdicts)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5
)


@given(changes=st.dictionaries(st.sampled_from([*VIEW, "price_cents", "context", "category"]), json_values, max_size=3))
def test_what_is_accepted_can_be_read_from_the_log(changes: dict[str, object]) -> None:
    body = json.dumps([VIEW | changes]).encode()
    try:
        verdicts = judge_events(body, 10, NOW)
    except RequestProblem:
        return
    for verdict in verdicts:
        if not isinstance(verdict, Refusal):
            assert decode_event(verdict.model_dump_json(exclude_none=True)) == verdict

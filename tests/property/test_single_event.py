"""One event that is read at once gets the same verdict as one that is looked at by its parts."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.body import parse_json
from api.errors import RequestProblem
from api.judgement import Refusal, judge_events, judge_values
from recommender.eventlog import record_of
from recommender.events.codec import MOST_EVENT_BYTES
from tests.fuzz.payloads import payloads
from tests.property.event_strategies import EVENTS, JSON

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
VIEW = b'"kind":"view","event_id":"e1","event_time":"2026-11-22T08:00:00Z","session_id":"s1","item_id":"i1"'
CART = b'"kind":"add_to_cart",' + VIEW.partition(b",")[2]


def at_once(body: bytes) -> Any:
    try:
        return [_told(verdict) for verdict in judge_events(body, 10, NOW)]
    except RequestProblem as problem:
        return problem.status, problem.code, str(problem), problem.details


def by_parts(body: bytes) -> Any:
    try:
        return [_told(verdict) for verdict in judge_values(parse_json(body), 10, NOW, lambda value: value)]
    except RequestProblem as problem:
        return problem.status, problem.code, str(problem), problem.details


def _told(verdict: Any) -> Any:
    return verdict if isinstance(verdict, Refusal) else record_of(verdict)


@settings(max_examples=300)
@given(EVENTS, st.data())
def test_any_value_in_any_field(sent: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(JSON | st.sampled_from([None, 0, -1, 2**63, 10**30, 1.0, "", " a", "a ", "a\n", "user:u1", {}]))
    name = data.draw(st.sampled_from([*sorted(sent), "user_id", "session_id", "context", "currency", "x"]))
    body = json.dumps({**sent, name: value}, ensure_ascii=data.draw(st.booleans())).encode()

    assert at_once(body) == by_parts(body)
    assert at_once(b"\n" + json.dumps(sent, indent=2).encode()) == by_parts(json.dumps(sent).encode())


@settings(max_examples=300)
@given(EVENTS, EVENTS, st.randoms())
def test_names_that_come_twice(first: dict[str, Any], second: dict[str, Any], chance: random.Random) -> None:
    pairs = [f"{json.dumps(name)}:{json.dumps(value)}" for name, value in [*first.items(), *second.items()]]
    chance.shuffle(pairs)
    for body in (pairs, [*pairs[:3], *(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in first.items())]):
        text = f"{{{','.join(body)}}}".encode()
        assert at_once(text) == by_parts(text)


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_damaged_events(seed: int) -> None:
    for body in payloads(random.Random(seed), 1_000):
        if body.lstrip()[:1] != b"[":  # arrays are read at once anyway
            assert at_once(body) == by_parts(body), body


@pytest.mark.parametrize(
    "text",
    [
        *(b'%b,"price_cents":%b,"currency":"EUR"' % (CART, number) for number in (b"1", b"-0", b"0", b"1e2", b"1.0")),
        *(
            b'%b,"price_cents":%b' % (CART, number)
            for number in (b"NaN", b"Infinity", b"1e999", b"9" * 5_000, b"01", b"1" + b"0" * 40)
        ),
        VIEW + b',"kind":"click"',
        b'"kind":"click",' + VIEW,
        VIEW + b',"context":{"page":"a","page":"b"}',
        VIEW + b',"context":{"page":"\\ud800"}',
        VIEW + b',"context":{"page":"\xff"}',
        VIEW.replace(b"Z", b"." + b"0" * 400 + b"Z"),
        VIEW.replace(b"Z", b"." + b"1" * 5 + b"Z"),
        VIEW.replace(b"08:00", b"09:05"),
        VIEW.replace(b"08:00", b"09:06"),
        VIEW + b" " * MOST_EVENT_BYTES,
        VIEW.replace(b"Z", b"." + b"0" * MOST_EVENT_BYTES + b"Z"),
    ],
    ids=lambda text: repr(text[-30:]),
)
def test_what_is_written_in_unusual_ways(text: bytes) -> None:
    body = b"{%b}" % text

    assert at_once(body) == by_parts(body)

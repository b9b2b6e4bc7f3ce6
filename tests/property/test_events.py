"""Events of every kind, made from their own classes: what is written is what is read."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.events import EVENT, AnyEvent, Event, InvalidEvent, decode_event, encode_event, utc_from_us
from tests.property.event_strategies import CHARACTERS, EPOCH, EVENTS, JSON, KINDS, MOMENTS, objects


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_of_each_kind_comes_back_from_its_json(kind: type[Event]) -> None:
    @settings(max_examples=40)
    @given(objects(kind))
    def comes_back(sent: dict[str, Any]) -> None:
        event = decode_event(json.dumps(sent))

        assert type(event) is kind
        assert decode_event(encode_event(event)) == event
        assert encode_event(decode_event(encode_event(event))) == encode_event(event)

    comes_back()


@given(EVENTS)
def test_what_the_sender_wrote_is_in_the_event_as_it_was(sent: dict[str, Any]) -> None:
    read = json.loads(encode_event(decode_event(json.dumps(sent))))
    kept = {name: read[name] for name in sent}

    # As text, in which true and 1 differ.
    assert json.dumps({**kept, "event_time": 0}) == json.dumps({**sent, "event_time": 0})


@given(EVENTS, st.text(CHARACTERS, min_size=1, max_size=20), st.none() | st.booleans() | st.integers() | st.text())
def test_an_unknown_field_is_refused(sent: dict[str, Any], name: str, value: Any) -> None:
    kind = next(kind for kind in KINDS if kind.model_fields["kind"].default == sent["kind"])
    if name in kind.model_fields:
        return

    with pytest.raises(InvalidEvent, match="Extra inputs are not permitted"):
        decode_event(json.dumps({**sent, name: value}))


@given(EVENTS, MOMENTS)
def test_a_time_keeps_its_instant_to_the_microsecond_and_becomes_utc(sent: dict[str, Any], moment: datetime) -> None:
    event = decode_event(json.dumps({**sent, "event_time": moment.isoformat()}))
    since = moment - EPOCH

    assert event.event_time == moment
    assert event.event_time.utcoffset() == timedelta(0)
    assert event.time_us == (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    assert utc_from_us(event.time_us) == moment


@given(EVENTS)
def test_asking_for_the_time_does_not_change_an_event(sent: dict[str, Any]) -> None:
    asked, untouched = decode_event(json.dumps(sent)), decode_event(json.dumps(sent))
    _ = asked.time_us

    assert asked == untouched
    assert encode_event(asked) == encode_event(untouched)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_anything_that_is_not_an_event_is_refused_and_breaks_nothing(payload: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode_event(payload)


@given(EVENTS, st.data())
def test_any_value_in_any_field_is_accepted_or_refused_but_never_breaks(
    sent: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(sent)))
    try:
        event: AnyEvent = decode_event(json.dumps({**sent, name: data.draw(JSON)}))
    except InvalidEvent:
        return
    assert decode_event(encode_event(event)) == event


def test_the_kinds_tried_here_are_all_there_are() -> None:
    assert {kind.__name__ for kind in KINDS} <= set(EVENT.json_schema()["$defs"])
    assert len(KINDS) == len(EVENT.json_schema()["discriminator"]["mapping"])

"""The quick reader against Pydantic: it accepts nothing else, reads the same, and changes no verdict."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.events import CatalogueEvent, Event, decode_event, encode_event, utc_from_us
from recommender.events.fast import SHOPPER_MODELS, read_quickly
from recommender.events.moment import read_time_us
from tests.fuzz.oracle import by_pydantic, by_reader, check
from tests.property.event_strategies import CHARACTERS, EVENTS, JSON, KINDS, MOMENTS, objects

BASE: dict[str, Any] = {
    "kind": "view", "event_id": "e1", "event_time": "2026-11-22T08:00:00Z", "session_id": "s1", "item_id": "i1",
}  # fmt: skip
EARLY = MOMENTS.filter(lambda moment: moment.year < 9998)


@pytest.mark.parametrize("kind", SHOPPER_MODELS, ids=lambda kind: kind.__name__)
def test_what_the_api_writes_takes_the_quick_path(kind: type[Event]) -> None:
    @settings(max_examples=60)
    @given(objects(kind), EARLY)
    def is_quick(sent: dict[str, Any], moment: datetime) -> None:
        payload = encode_event(decode_event(json.dumps({**sent, "event_time": moment.isoformat()})))

        assert read_quickly(payload) is not None
        check(payload)

    is_quick()


def test_all_shopper_kinds_have_a_struct() -> None:
    assert set(SHOPPER_MODELS) == {kind for kind in KINDS if not issubclass(kind, CatalogueEvent)}


@given(EVENTS, st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", ":\t")]), st.booleans(), st.randoms())
def test_an_event_reads_the_same_however_it_is_written(
    sent: dict[str, Any], separators: tuple[str, str], ascii_only: bool, random: Any
) -> None:
    fields = list(sent.items())
    random.shuffle(fields)

    check(json.dumps(dict(fields), separators=separators, ensure_ascii=ascii_only).encode())


@settings(max_examples=300)
@given(EVENTS, st.data())
def test_any_value_in_any_field_gets_the_same_verdict(sent: dict[str, Any], data: st.DataObject) -> None:
    value = data.draw(JSON | st.sampled_from([None, 0, -1, 2**63, 10**30, 1.0, "", " a", "a ", "a\n", "user:u1", {}]))
    name = data.draw(st.sampled_from([*sorted(sent), "user_id", "session_id", "context", "currency", "x"]))

    check(json.dumps({**sent, name: value}).encode())


@given(EVENTS, st.data())
def test_a_missing_field_gets_the_same_verdict(sent: dict[str, Any], data: st.DataObject) -> None:
    del sent[data.draw(st.sampled_from(sorted(sent)))]

    check(json.dumps(sent).encode())


@given(EVENTS, EVENTS)
def test_repeated_keys_get_the_same_verdict(first: dict[str, Any], second: dict[str, Any]) -> None:
    check((json.dumps(first)[:-1] + "," + json.dumps(second)[1:]).encode())
    same_kind = {**second, "kind": first["kind"]}
    check((json.dumps(first)[:-1] + "," + json.dumps(same_kind)[1:]).encode())


JSON_PIECES = rb"""
    " \ \u0000 \ud800 \udc00 \n { } [ ] , : > null true NaN -0 1e9 1.0 "kind":"view", "context":{}, "user_id":null,
"""
BYTES = (
    b" ",
    b"\n",
    b"\0",
    b"\x7f",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"9" * 40,
)
PIECES = st.sampled_from([*JSON_PIECES.split(), *BYTES])


@settings(max_examples=500)
@given(EVENTS, st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), PIECES | st.binary(max_size=2)), max_size=3))
def test_damaged_bytes_get_the_same_verdict(sent: dict[str, Any], damages: list[tuple[float, int, bytes]]) -> None:
    payload = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()
    for place, taken, put in damages:
        at = int(place * len(payload))
        payload = payload[:at] + put + payload[at + taken :]

    check(payload)


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_noise_gets_the_same_verdict(payload: bytes) -> None:
    check(payload)


@given(EARLY)
def test_the_usual_form_of_a_time_is_read_quickly(moment: datetime) -> None:
    text = moment.isoformat()

    assert read_time_us(text) == decode_event(json.dumps({**BASE, "event_time": text})).time_us


ODD_TIMES = """
    2026-11-22T08:00:60Z 2026-11-22T24:00:00Z 1970-01-01T00:00:00Z 1970-01-01T00:00:00.000001Z 0001-01-01T00:00:00Z
    1970-01-01T00:30:00+01:00 1969-12-31T23:59:59-00:01 9999-12-31T23:59:59-01:00 9998-12-31T23:59:59-01:00
    2026-11-22T08:00:00+24:00 2026-11-22T08:00:00+23:59 2026-11-22T08:00:00-00:00 2026-11-22T08:00:00+01
    2026-11-22T08:00:00+0100 2026-11-22T08:00:00.1234567Z 2026-11-22T08:00:00.9999999Z 2026-11-22T08:00:00.Z
    2026-11-22T08:00:00.\u0661Z 2026-11-22T08:00:00.\u00b2Z 2026-11-22T08:00:00.+1Z 2026-11-22T08:00:00.1_2Z
    2026-11-22T08:00:00\u221201:00 \u0662026-11-22T08:00:00Z +0026-11-22T08:00:00Z 2026-W47-7T08:00:00Z
    2026-02-29T08:00:00Z 2026-11-22T08:00Z 2026-11-22 2026- 2026-11-22T08:00:00 2026-11-22T08:00:00,5Z
"""
TIMES = st.one_of(
    MOMENTS.map(datetime.isoformat),
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt _][0-2][0-9]:[0-6][0-9](:[0-6][0-9]([.,][0-9]{0,9})?)?"
        r"(Z|z|[+-][0-2][0-9](:?[0-6][0-9])?|)?",
        fullmatch=True,
        alphabet=st.characters(codec="ascii"),
    ),
    st.sampled_from(ODD_TIMES.split()),
    st.text(CHARACTERS, max_size=32),
)


@settings(max_examples=500)
@given(TIMES, st.text("0123456789:.TZ+- _", max_size=2), st.floats(0, 1))
def test_a_time_in_any_form_gets_the_same_verdict(text: str, put: str, place: float) -> None:
    at = int(place * len(text))

    check(json.dumps({**BASE, "event_time": text}).encode())
    check(json.dumps({**BASE, "event_time": text[:at] + put + text[at + len(put) :]}).encode())


@given(st.integers(-3, 3), st.booleans())
def test_the_future_begins_at_the_same_microsecond(beyond_us: int, quick: bool) -> None:
    now_us = 1_795_000_000_123_456
    moment = utc_from_us(now_us + 5 * 60 * 10**6 + beyond_us).isoformat()
    payload = json.dumps({**BASE, "event_time": moment if quick else moment.replace("T", " ")}).encode()

    assert (read_quickly(payload) is not None) == quick
    assert by_reader(payload, now_us) == by_pydantic(payload, now_us)
    assert (by_reader(payload, now_us).event is None) == (beyond_us > 0)

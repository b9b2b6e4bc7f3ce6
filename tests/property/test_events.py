"""Events of every kind, made from their own classes: what is written is what is read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from recommender.events import (
    EVENT,
    AnyCatalogueEvent,
    AnyEvent,
    AnyShopperEvent,
    Event,
    InvalidEvent,
    decode_event,
    encode_event,
    utc_from_us,
)
from recommender.events.fields import ID_PATTERN

KINDS: tuple[type[Event], ...] = tuple(
    kind for union in (AnyShopperEvent, AnyCatalogueEvent) for kind in get_args(get_args(union)[0])
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1970, 1, 3), datetime(9999, 12, 29), timezones=OFFSETS)
CHARACTERS = st.characters(exclude_categories=["Cs"])


def values(annotation: Any, rules: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of a field's type, as JSON has them, within its rules."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(arguments[0], flattened(arguments[1:]) + rules)
    if origin in (Union, UnionType):
        return st.one_of([values(argument, rules) for argument in arguments if argument is not type(None)])
    if origin is Literal:
        return st.sampled_from(arguments)
    bounds = limits(rules)
    if origin is tuple:
        return st.lists(values(arguments[0]), min_size=bounds["least"], max_size=min(bounds["most"], 4))
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=4)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return objects(annotation)
    if annotation is AwareDatetime:
        return MOMENTS.map(datetime.isoformat)
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(bounds["ge"], bounds["le"])
    if annotation is float:
        return st.floats(-1e15, 1e15)
    if annotation is str:
        return texts(bounds)
    raise TypeError(f"events: no strategy for this type; got {annotation!r}")


def flattened(rules: tuple[Any, ...]) -> tuple[Any, ...]:
    """The rules, those that a Field or StringConstraints holds one by one."""
    found: list[Any] = []
    for rule in rules:
        if isinstance(rule, FieldInfo):
            found += rule.metadata
        else:
            found.append(rule)
    return tuple(found)


def limits(rules: tuple[Any, ...]) -> dict[str, Any]:
    """What the rules allow, by name."""
    bounds: dict[str, Any] = {"ge": None, "le": None, "least": 0, "most": 64, "pattern": None}
    for rule in rules:
        if isinstance(rule, Ge | Gt):
            bounds["ge"] = rule.ge if isinstance(rule, Ge) else rule.gt + 1
        elif isinstance(rule, Le | Lt):
            bounds["le"] = rule.le if isinstance(rule, Le) else rule.lt - 1
        elif isinstance(rule, MinLen):
            bounds["least"] = rule.min_length
        elif isinstance(rule, MaxLen):
            bounds["most"] = rule.max_length
        elif isinstance(rule, StringConstraints):
            bounds |= {"least": rule.min_length or 0, "most": rule.max_length or 64, "pattern": rule.pattern}
        elif getattr(rule, "pattern", None):
            bounds["pattern"] = rule.pattern
    return bounds


def texts(bounds: dict[str, Any]) -> st.SearchStrategy[str]:
    """Texts in any script that a pattern and the lengths allow."""
    least, most = bounds["least"], bounds["most"]
    match bounds["pattern"]:
        case None:
            return st.text(CHARACTERS, min_size=least, max_size=min(most, 64))
        case p if p == ID_PATTERN:
            inner = st.characters(exclude_categories=["Cs", "Cc"])
            return st.text(inner, min_size=1, max_size=most).filter(lambda text: text == text.strip(" "))
        case pattern:
            return st.from_regex(pattern, fullmatch=True, alphabet=CHARACTERS).filter(
                lambda text: len(text) <= most and not text.endswith("\n")
            )


@st.composite
def objects(draw: st.DrawFn, kind: type[BaseModel]) -> dict[str, Any]:
    """JSON objects of a class: the required fields, and any of the others."""
    made = {}
    for name, field in kind.model_fields.items():
        if name == "kind" or field.is_required() or draw(st.booleans()):
            made[name] = draw(values(field.annotation, flattened(tuple(field.metadata))))
    if "session_id" in kind.model_fields and not {"user_id", "session_id"} & set(made):
        made["session_id"] = "s1"
    if "price_cents" in made:
        made.setdefault("currency", "EUR")
    return made


EVENTS = st.one_of([objects(kind) for kind in KINDS])


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=8), inner, max_size=3),
    max_leaves=8,
)


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

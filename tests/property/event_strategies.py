"""Strategies for events of every kind, made from their own classes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import AwareDatetime, BaseModel, StringConstraints
from pydantic.fields import FieldInfo

from recommender.events import AnyCatalogueEvent, AnyShopperEvent, Event
from recommender.events.fields import ID_PATTERN, IMPLICIT_SESSION_PREFIX

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
    if made.get("session_id", "").startswith(IMPLICIT_SESSION_PREFIX):
        made["session_id"] = "s2"
    if "price_cents" in made:
        made.setdefault("currency", "EUR")
    return made


EVENTS = st.one_of([objects(kind) for kind in KINDS])

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(CHARACTERS, max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS, max_size=8), inner, max_size=3),
    max_leaves=8,
)

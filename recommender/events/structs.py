"""The shopper events once more, as msgspec structs, made from their Pydantic models: decoding them is much quicker.

Each rule of a model becomes a rule of its struct. A rule that has no counterpart here, and is not named below as one
that the decoder checks itself, ends the import: so a struct never accepts what its model refuses.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable
from functools import cache
from itertools import product
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, AwareDatetime, BaseModel, Strict, StringConstraints, WrapValidator
from pydantic.fields import FieldInfo

from recommender.events.fields import not_implicit, read_time

PRICE_RULE = "_price_has_currency"
_MODEL_RULES = {"_names_a_shopper", PRICE_RULE}
_FIELD_RULES: set[Callable[..., Any]] = {not_implicit, read_time}
_CONFIG = {"frozen": True, "extra": "forbid", "strict": True}
_TWO_LETTERS = r"^[A-Z]{2}$"
_PLAIN_PATTERN = re.compile(r"\^(?:[^\\$]|\\x[0-9a-f]{2})*\$")


def struct_of(model: type[BaseModel], without: Iterable[str] = ()) -> type[msgspec.Struct]:
    """Make the struct of a model.

    A struct of an event has the class attributes ``kind``, its tag, and ``priced``: the model wants a currency
    where there is a price.

    Args:
        model: what to follow.
        without: patterns to leave out; the caller sees to it that they hold.

    Raises:
        TypeError: the model has a rule that cannot be followed.
    """
    rules = model.__pydantic_decorators__
    others = [rules.validators, rules.field_validators, rules.root_validators, rules.field_serializers]
    config = {name: value for name, value in model.model_config.items() if name != "json_schema_extra"}
    if config != _CONFIG or any(others) or not rules.model_validators.keys() <= _MODEL_RULES:
        raise TypeError(f"{model.__name__}: its settings and validators must have counterparts in the decoder")
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for name, field in model.model_fields.items():
        if name == "kind":
            continue
        kind = _type(field.annotation, _flat(field.metadata), frozenset(without))
        fields.append((name, kind) if field.is_required() else (name, kind, field.default))
    tag = model.model_fields["kind"].default if "kind" in model.model_fields else None
    return msgspec.defstruct(
        model.__name__,
        fields,
        tag_field=tag and "kind",
        tag=tag,
        namespace={"kind": tag, "priced": PRICE_RULE in rules.model_validators} if tag else {},
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _type(annotation: Any, rules: list[Any], without: frozenset[str]) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], [*_flat(arguments[1:]), *rules], without)
    bounds = _bounds(rules)
    if bounds.get("pattern") in without:
        del bounds["pattern"]
    if annotation is str and bounds == {"pattern": _TWO_LETTERS}:
        return _two_letters()
    if "pattern" in bounds:
        bounds["pattern"] = _python_pattern(bounds["pattern"])
    if origin in (Union, UnionType) and not bounds:
        return Union[tuple(_type(each, [], without) for each in arguments)]  # noqa: UP007
    if (origin is Literal or annotation is type(None)) and not bounds:
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not bounds:
        return struct_of(annotation, without)
    if origin is tuple and arguments[1:] == (...,):
        kind: Any = tuple.__class_getitem__((_type(arguments[0], [], without), ...))
    elif annotation is AwareDatetime and not bounds:
        kind = str
    elif annotation in (str, int):
        kind = annotation
    else:
        raise TypeError(f"events: must have a counterpart in the decoder; got {annotation!r}, {rules!r}")
    return Annotated[kind, msgspec.Meta(**bounds)] if bounds else kind


def _flat(rules: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for rule in rules:
        found += _flat(rule.metadata) if isinstance(rule, FieldInfo) else [rule]
    return found


def _bounds(rules: list[Any]) -> dict[str, Any]:
    bounds: dict[str, Any] = {}
    for rule in rules:
        match rule:
            case Ge(ge=bound):
                bounds["ge"] = bound
            case Le(le=bound):
                bounds["le"] = bound
            case MinLen(min_length=bound):
                bounds["min_length"] = bound
            case MaxLen(max_length=bound):
                bounds["max_length"] = bound
            case Strict(strict=False) if any(isinstance(other, WrapValidator) for other in rules):
                pass  # the event time, which the decoder reads itself
            case AfterValidator(func=func) | WrapValidator(func=func) if func in _FIELD_RULES:
                pass
            case StringConstraints() | object(pattern=_):
                given = {name: value for name, value in vars(rule).items() if value is not None}
                if not given.keys() <= {"min_length", "max_length", "pattern"}:
                    raise TypeError(f"events: must have a counterpart in the decoder; got {rule!r}")
                bounds |= given
            case _:
                raise TypeError(f"events: must have a counterpart in the decoder; got {rule!r}")
    return bounds


@cache
def _two_letters() -> Any:
    """Return the type that names each pair of capital letters: one look into a table, in place of a pattern."""
    return Literal[tuple("".join(letters) for letters in product(string.ascii_uppercase, repeat=2))]


def _python_pattern(pattern: str) -> str:
    """Return a pattern as Python's regular expressions say it, in which ``$`` also stands before a last line feed."""
    if not _PLAIN_PATTERN.fullmatch(pattern):
        raise TypeError(f"events: must mean the same to Rust and Python; got the pattern {pattern!r}")
    return pattern[:-1] + r"\Z"

"""The rules of the events' columns in the history, read off the JSON Schema of the event definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from pydantic import TypeAdapter

from recommender.events import AnyShopperEvent, ItemEvent
from recommender.events.fields import IMPLICIT_SESSION_PREFIX
from recommender.features import Interaction


class FieldRule(msgspec.Struct):
    """What a column of the events may hold: numbers in these bounds, texts of this length and form."""

    minimum: int | None = None
    maximum: int | None = None
    least_length: int | None = None
    most_length: int | None = None
    pattern: str | None = None


_SCHEMA: dict[str, Any] = TypeAdapter(AnyShopperEvent).json_schema()


def kinds() -> list[str]:
    """Return the kinds of shopper events."""
    return sorted(_SCHEMA["discriminator"]["mapping"])


def item_kinds() -> list[str]:
    """Return the kinds that always name an item."""
    return sorted(event.model_fields["kind"].default for event in ItemEvent.__subclasses__())


def field_rules() -> dict[str, FieldRule]:
    """Return the rule of each column that some event defines as a number or a text.

    Where events differ, the widest counts. An empty text and a price of -1 stand for what is unknown.
    """
    rules: dict[str, FieldRule] = {}
    defaults = {
        field.name: field.default
        for field in msgspec.structs.fields(Interaction)
        if field.name not in ("kind", "payload")
    }
    for name, definition in _definitions():
        if name in defaults:
            _widen(rules.setdefault(name, FieldRule()), definition)
    for name, rule in rules.items():
        default = defaults[name]
        if isinstance(default, str):
            rule.least_length = 0
            rule.pattern = f"^$|{rule.pattern}" if rule.pattern else None
        elif isinstance(default, int) and rule.minimum is not None:
            rule.minimum = min(default, rule.minimum)
    most = rules["session_id"].most_length
    rules["session_id"].most_length = (most or 0) + len(IMPLICIT_SESSION_PREFIX)
    return rules


def _definitions() -> Iterator[tuple[str, dict[str, Any]]]:
    for definition in _SCHEMA["$defs"].values():
        for name, field in definition["properties"].items():
            for alternative in field.get("anyOf", [field]):
                if alternative.get("type") in ("integer", "string"):
                    yield name, alternative


def _widen(rule: FieldRule, definition: dict[str, Any]) -> None:
    rule.minimum = _either(min, rule.minimum, definition.get("minimum"))
    rule.maximum = _either(max, rule.maximum, definition.get("maximum"))
    rule.least_length = _either(min, rule.least_length, definition.get("minLength"))
    rule.most_length = _either(max, rule.most_length, definition.get("maxLength"))
    rule.pattern = rule.pattern or definition.get("pattern")


def _either(choose: Any, one: int | None, other: int | None) -> int | None:
    found = [value for value in (one, other) if value is not None]
    return choose(found) if found else None

"""Columns of text as event fields; which of them are numbers, lists or objects is read off the events themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from recommender.events import EVENT
from recommender.loaders.rows import RawEvent, WrongFormat

_CATEGORY_SEPARATOR = ">"
_LIST_SEPARATOR = "|"


class EventColumns:
    """The columns of one file of texts.

    Args:
        fields: the event field of each, or ``context.<field>`` and ``attributes.<name>`` for what lies in an object;
            None for a column to pass over.
    """

    def __init__(self, fields: Sequence[str | None]) -> None:
        kinds = field_types()
        self.width = len(fields)
        self._parsers = [(place, field, _parser(field, kinds)) for place, field in enumerate(fields) if field]

    def event(self, texts: Sequence[str]) -> RawEvent:
        """Return the event of a row of texts, without its empty cells; what does not parse stays text."""
        event: RawEvent = {}
        for place, field, parse in self._parsers:
            text = texts[place]
            if not text:
                continue
            where, _, inner = field.partition(".")
            if inner:
                event.setdefault(where, {})[inner] = parse(text)
            else:
                event[where] = parse(text)
        return event


def check_columns(names: Sequence[str], path: Path) -> None:
    """Refuse columns that are not named as event fields.

    Raises:
        WrongFormat: a name is no event field, or stands twice, or there is no event_time.
    """
    unknown = [name for name in names if not is_field(name)]
    if unknown:
        raise WrongFormat(
            f"{path}: each column must be named as an event field ({', '.join(sorted(field_types()))}); "
            f"got {', '.join(repr(name) for name in unknown[:10])}"
        )
    objects = {name.partition(".")[0] for name in names if "." in name}
    if len(set(names)) < len(names) or objects & set(names):
        raise WrongFormat(f"{path}: column names must differ; got {', '.join(names)}")
    if "event_time" not in names:
        raise WrongFormat(f"{path}: a column event_time is required; got {', '.join(names) or 'an empty file'}")


def is_field(name: str) -> bool:
    """Tell whether an event may have this field; ``context.device`` lies in an object."""
    kinds = field_types()
    where, dot, inner = name.partition(".")
    if where == "context" and dot:
        return name in kinds
    return where in kinds and (not dot or (bool(inner) and kinds[where] == "object"))


@cache
def field_types() -> dict[str, str]:
    """Return the JSON type of each field of each event: integer, string, array or object."""
    types: dict[str, str] = {}
    definitions = EVENT.json_schema()["$defs"]
    for name, definition in definitions.items():
        prefix = "context." if name == "Context" else ""
        types.update({prefix + field: _json_type(schema) for field, schema in definition["properties"].items()})
    return types


def _json_type(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    option = next(option for option in options if option.get("type") != "null")
    return "object" if "$ref" in option else str(option["type"])


def _parser(name: str, kinds: dict[str, str]) -> Callable[[str], Any]:
    if name == "category":
        return lambda text: _list(text, _CATEGORY_SEPARATOR)
    kind = kinds.get(name, "string")
    if kind == "array":
        return lambda text: _list(text, _LIST_SEPARATOR)
    return {"integer": _integer, "object": _json}.get(kind, str)


def _integer(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        return text


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _list(text: str, separator: str) -> Any:
    if text.startswith("["):
        return _json(text)
    return [part.strip() for part in text.split(separator)]

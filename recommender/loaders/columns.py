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
    """The columns of one file.

    Args:
        names: event fields, or ``context.<field>`` and ``attributes.<name>`` for what lies in an object.
        path: the file, for messages.

    Raises:
        WrongFormat: a name is no event field, or stands twice, or there is no event_time.
    """

    def __init__(self, names: Sequence[str], path: Path) -> None:
        kinds = field_types()
        unknown = [name for name in names if not _is_known(name, kinds)]
        if unknown:
            raise WrongFormat(
                f"{path}: each column must be named as an event field ({', '.join(sorted(kinds))}); "
                f"got {', '.join(repr(name) for name in unknown[:10])}"
            )
        objects = {name.partition(".")[0] for name in names if "." in name}
        if len(set(names)) < len(names) or objects & set(names):
            raise WrongFormat(f"{path}: column names must differ; got {', '.join(names)}")
        if "event_time" not in names:
            raise WrongFormat(f"{path}: a column event_time is required; got {', '.join(names) or 'an empty file'}")
        self.width = len(names)
        self._parsers = [(name, _parser(name, kinds)) for name in names]

    def event(self, texts: Sequence[str]) -> RawEvent:
        """Return the event of a row of texts, without its empty cells; what does not parse stays text."""
        event: RawEvent = {}
        for (name, parse), text in zip(self._parsers, texts, strict=True):
            if not text:
                continue
            where, _, inner = name.partition(".")
            if inner:
                event.setdefault(where, {})[inner] = parse(text)
            else:
                event[where] = parse(text)
        return event


@cache
def field_types() -> dict[str, str]:
    """Return the JSON type of each field of each event: integer, string, array or object."""
    types: dict[str, str] = {}
    definitions = EVENT.json_schema()["$defs"]
    for name, definition in definitions.items():
        prefix = "context." if name == "Context" else ""
        types.update({prefix + field: _json_type(schema) for field, schema in definition["properties"].items()})
    return types


def _is_known(name: str, kinds: dict[str, str]) -> bool:
    where, dot, inner = name.partition(".")
    if where == "context" and dot:
        return name in kinds
    return where in kinds and (not dot or (bool(inner) and kinds[where] == "object"))


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

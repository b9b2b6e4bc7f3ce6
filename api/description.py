"""What the API's OpenAPI description says of events: their schemas come from their definition."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api.access_description import state_access
from api.answer_examples import add_examples
from api.question import Question, RankQuestion, SlateQuestion
from recommender.events import EVENT, CatalogueEvent, ItemUpsert, StockChange

_REF = "#/components/schemas/{model}"
_VIEW = {
    "kind": "view",
    "event_id": "0f8e6c1a",
    "event_time": "2026-11-22T09:30:00+01:00",
    "user_id": "u-42",
    "session_id": "s-1",
    "item_id": "i-7",
}
_PURCHASE = {
    "kind": "purchase",
    "event_id": "0f8e6c1b",
    "event_time": "2026-11-22T09:34:10+01:00",
    "user_id": "u-42",
    "item_id": "i-7",
    "order_id": "o-1",
    "quantity": 2,
    "price_cents": 8995,
    "currency": "EUR",
}
_ITEM = {
    "title": "Trail shoe",
    "category": ["Shoes", "Running"],
    "brand": "Fleet",
    "price_cents": 8995,
    "currency": "EUR",
    "tags": ["new"],
}
_MADE_BY_SERVER = "event_id, event_time and kind are made by the server where absent"
_DESCRIPTIONS: tuple[tuple[str, type[CatalogueEvent], list[str], str], ...] = (
    ("ItemDescription", ItemUpsert, [], f"The whole description of an item; {_MADE_BY_SERVER}."),
    ("OneItem", ItemUpsert, ["item_id"], f"The whole description of an item; {_MADE_BY_SERVER}."),
    ("Stock", StockChange, ["stock"], f"How many units are in stock; {_MADE_BY_SERVER}."),
    ("OneStock", StockChange, ["item_id", "stock"], f"How many units of an item are in stock; {_MADE_BY_SERVER}."),
)
"""Name, the event that is made of it, what must be given."""


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:
    named = {name: {"value": value} for name, value in examples.items()}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": named}}}


def _one_or_many(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "array", "items": schema, "minItems": 1}]}


EVENTS_BODY = _body(_one_or_many({"$ref": _REF.format(model="Event")}), one=_VIEW, several=[_VIEW, _PURCHASE])
ITEM_BODY = _body({"$ref": _REF.format(model="ItemDescription")}, item=_ITEM)
BULK_ITEMS_BODY = _body(_one_or_many({"$ref": _REF.format(model="OneItem")}), items=[{"item_id": "i-7", **_ITEM}])
QUESTION_BODY = _body(
    {"$ref": _REF.format(model="SlateQuestion")},
    session={"session_id": "s-1", "n": 10},
    search={"user_id": "u-42", "session_id": "s-1", "surface": "search", "query": "boots", "device": "mobile"},
)
RANK_BODY = _body(
    {"$ref": _REF.format(model="RankQuestion")},
    session={"session_id": "s-1", "item_ids": ["i-7", "i-8", "i-9"]},
)
EXPLAIN = {
    "name": "explain",
    "in": "query",
    "required": False,
    "description": "tell why each item is where it is; never from the cache",
    "schema": {"type": "boolean", "default": False},
}


def question_parameters(in_path: str | None, *but: str) -> list[dict[str, Any]]:
    """Return the fields of a question as parameters of an address, one of them in its path, without some."""
    properties = SlateQuestion.model_json_schema(ref_template=_REF)["properties"]
    found = [_in_path(in_path)] if in_path else []
    for name, schema in properties.items():
        if name != in_path and name not in but:
            found.append({"name": name, "in": "query", "required": False, "schema": _one_type(schema)})
    return [*found, EXPLAIN]


def _in_path(name: str) -> dict[str, Any]:
    schema = SlateQuestion.model_json_schema()["properties"][name]
    return {"name": name, "in": "path", "required": True, "schema": _one_type(schema)}


def _one_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without null, which an address cannot say."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind.get("type") != "null"]
    if len(kinds) != 1:
        return schema
    return {**kinds[0], **{key: value for key, value in schema.items() if key not in ("anyOf", "default")}}


STOCK_BODY = _body({"$ref": _REF.format(model="Stock")}, sold_out={"stock": 0})
BULK_STOCK_BODY = _body(
    _one_or_many({"$ref": _REF.format(model="OneStock")}),
    two=[{"item_id": "i-7", "stock": 3}, {"item_id": "i-8", "stock": 0}],
)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI description of the service."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        schemas: dict[str, Any] = found.setdefault("components", {}).setdefault("schemas", {})
        event = EVENT.json_schema(ref_template=_REF)
        for name, kind_of_event in event.pop("$defs").items():
            if "kind" in kind_of_event["properties"]:
                kind_of_event["required"] = ["kind", *kind_of_event["required"]]  # by it, the others are known
            schemas[name] = kind_of_event
        schemas["Event"] = event
        kinds: tuple[type[Question], ...] = (SlateQuestion, RankQuestion)
        for kind in kinds:
            question = kind.model_json_schema(ref_template=_REF)
            schemas.update(question.pop("$defs", {}))
            schemas[kind.__name__] = question
        for name, model, required, words in _DESCRIPTIONS:
            description = model.model_json_schema(ref_template=_REF)
            description.pop("$defs", None)
            description.pop("required", None)
            schemas[name] = description | {"title": name, "description": words}
            if required:
                schemas[name]["required"] = required
        state_access(found)
        add_examples(found)
        app.openapi_schema = found
    return app.openapi_schema

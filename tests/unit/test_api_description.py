from __future__ import annotations

import json
from typing import Any

import pytest

from api.app import create_app
from api.server import log_config
from recommender.events import EVENT
from recommender.settings import Settings


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_the_description_names_every_address(description: dict[str, Any]) -> None:
    addresses = {(method.upper(), path) for path, item in description["paths"].items() for method in item}

    assert addresses == {
        ("POST", "/v1/events"),
        ("PUT", "/v1/items/{item_id}"),
        ("DELETE", "/v1/items/{item_id}"),
        ("PUT", "/v1/items/{item_id}/stock"),
        ("POST", "/v1/items"),
        ("POST", "/v1/stock"),
        ("GET", "/v1/users/{user_id}/recommendations"),
        ("POST", "/v1/recommendations"),
        ("GET", "/v1/items/{item_id}/similar"),
        ("GET", "/v1/items/{item_id}"),
        ("GET", "/v1/items/{item_id}/bought-together"),
        ("GET", "/v1/trending"),
        ("GET", "/v1/surfaces"),
        ("POST", "/v1/rank"),
        ("GET", "/v1/users/{user_id}/hidden"),
        ("PUT", "/v1/users/{user_id}/hidden/{item_id}"),
        ("DELETE", "/v1/users/{user_id}/hidden/{item_id}"),
        ("GET", "/v1/models"),
        ("GET", "/v1/models/{version}"),
        ("POST", "/v1/models/{version}/activate"),
        ("POST", "/v1/models/rollback"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
    }


def test_every_event_kind_stands_in_the_description_as_it_is_defined(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]
    kinds = schemas["Event"]["discriminator"]["mapping"]

    assert len(kinds) == 16
    assert {reference.rpartition("/")[2] for reference in kinds.values()} <= schemas.keys()


def test_no_reference_leads_nowhere(description: dict[str, Any]) -> None:
    schemas = description["components"]["schemas"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for each in value.values() for found in references(each)]
        return [found for each in value for found in references(each)] if isinstance(value, list) else []

    names = {reference.removeprefix("#/components/schemas/") for reference in references(description)}
    assert names <= schemas.keys()


def test_the_examples_are_valid_events(description: dict[str, Any]) -> None:
    examples = description["paths"]["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["examples"]

    for event in [examples["one"]["value"], *examples["several"]["value"]]:
        assert EVENT.validate_json(json.dumps(event)).kind == event["kind"]


def test_every_error_has_the_same_shape(description: dict[str, Any]) -> None:
    answers = {
        answer["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for item in description["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status >= "400" and "content" in answer
    }

    assert answers == {"ErrorAnswer", "NoneAccepted", "NotReady"}


def test_the_log_follows_the_level_that_is_set() -> None:
    assert log_config("debug")["root"]["level"] == "DEBUG"

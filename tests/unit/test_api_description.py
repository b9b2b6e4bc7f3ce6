from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from api.app import create_app
from api.scopes import STATED
from api.server import log_config
from recommender.events import EVENT
from recommender.settings import Settings

NOT_DESCRIBED = ("/", "/docs", "/docs/assets/{name}", "/openapi.json", "/metrics")


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return create_app(Settings()).openapi()


def test_the_description_names_every_address_that_states_a_scope_and_no_other(description: dict[str, Any]) -> None:
    addresses = {(method.upper(), path) for path, item in description["paths"].items() for method in item}

    assert addresses == set(STATED) - {("GET", path) for path in NOT_DESCRIBED}


def test_every_address_shows_an_example_of_its_answer_that_has_the_described_shape(description: dict[str, Any]) -> None:
    for item in description["paths"].values():
        for operation in item.values():
            (answer,) = [found for status, found in operation["responses"].items() if status < "300"]
            content = answer["content"]["application/json"]
            schema = content["schema"] | {"components": description["components"]}
            jsonschema.validate(content["example"], schema)


def test_every_body_has_an_example_that_has_the_described_shape(description: dict[str, Any]) -> None:
    bodies = [
        operation["requestBody"]["content"]["application/json"]
        for item in description["paths"].values()
        for operation in item.values()
        if "requestBody" in operation
    ]
    assert len(bodies) == 7
    for body in bodies:
        for example in body["examples"].values():
            jsonschema.validate(example["value"], body["schema"] | {"components": description["components"]})


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
    schemas = [
        answer["content"]["application/json"]["schema"]
        for item in description["paths"].values()
        for operation in item.values()
        for status, answer in operation["responses"].items()
        if status >= "400" and "content" in answer
    ]
    answers = {form["$ref"].rpartition("/")[2] for schema in schemas for form in schema.get("anyOf", [schema])}

    assert answers == {"ErrorAnswer", "NoneAccepted", "NotReady"}


def test_the_log_follows_the_level_that_is_set() -> None:
    assert log_config("debug")["root"]["level"] == "DEBUG"

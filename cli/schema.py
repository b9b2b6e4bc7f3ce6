"""``liveshelf schema``: the JSON Schema of the events."""

from __future__ import annotations

import json
from typing import Any

from recommender.events import EVENT


def run() -> int:
    """Print the JSON Schema of all events on standard output."""
    print(json.dumps(event_schema(), indent=2))
    return 0


def event_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that an event follows when it is sent."""
    schema = EVENT.json_schema(mode="validation")
    for definition in schema["$defs"].values():
        if "kind" in definition["properties"]:  # which has a default in Python, but tells events apart in JSON
            definition["required"] = ["kind", *definition["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:liveshelf:event",
        "title": "Liveshelf event",
        "description": "One event about a shopper or the catalogue; its kind says which.",
        **schema,
    }

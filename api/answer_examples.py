"""An example of each answer, for the API's description."""

from __future__ import annotations

from typing import Any

_MODEL = "20261122T020000-1fc3"
_BEFORE = "20261121T020000-77aa"
_TAKEN = {"accepted": 1, "rejected": 0, "results": [{"index": 0, "event_id": "0f8e6c1a", "status": "accepted"}]}
_ENTRY = {
    "item_id": "i-7",
    "title": "Trail shoe",
    "category": "Shoes > Running",
    "price_cents": 8995,
    "currency": "EUR",
    "position": 0,
    "score": 0.41,
    "source": "also_viewed",
}
_SLATE = {
    "slate_id": "5f0c9a7e1d2b4c6f8a9b0c1d2e3f4a5b",
    "surface": "home",
    "answered_by": "live",
    "items": [_ENTRY],
    "model_version": _MODEL,
    "feature_time": "2026-11-22T08:30:00Z",
    "fallback": None,
    "took_ms": 1.9,
}
_HIDDEN = {"user_id": "u-42", "item_ids": ["i-9"]}
_SUMMARY = {
    "version": _MODEL,
    "current": True,
    "kind": "full",
    "created_at": "2026-11-22T02:00:41Z",
    "data_from": "2026-08-22T00:00:00Z",
    "data_to": "2026-11-22T02:00:00Z",
    "events": 1_250_000,
    "metrics": {"hit_rate_at_20": 0.31},
    "size_bytes": 48_200_000,
    "damage": None,
}
_ACTIVATED = {"version": _BEFORE, "before": _MODEL, "skipped": {}}
_ERASURE: dict[str, Any] = {
    "erasure_id": "33438e4d5603013f28c10cf7",
    "status": "pending",
    "phase": "waiting",
    "requested_at": "2026-11-22T09:30:00.000+00:00",
    "completed_at": None,
    "counts": {},
    "remarks": [],
}

EXAMPLES: dict[tuple[str, str], Any] = {
    ("POST", "/v1/events"): {
        "accepted": 1,
        "rejected": 1,
        "results": [
            {"index": 0, "event_id": "0f8e6c1a", "status": "accepted"},
            {
                "index": 1,
                "event_id": "0f8e6c1b",
                "status": "rejected",
                "error": "purchase.price_cents: Input should be greater than or equal to 0; got -5",
            },
        ],
    },
    ("PUT", "/v1/items/{item_id}/stock"): _TAKEN,
    ("POST", "/v1/stock"): _TAKEN,
    ("PUT", "/v1/items/{item_id}"): _TAKEN,
    ("POST", "/v1/items"): _TAKEN,
    ("DELETE", "/v1/items/{item_id}"): _TAKEN,
    ("GET", "/v1/items/{item_id}"): {
        "item_id": "i-7",
        "title": "Trail shoe",
        "category": "Shoes > Running",
        "brand": "Fleet",
        "price_cents": 8995,
        "currency": "EUR",
        "available": True,
        "stock": 12,
        "tags": ["new"],
        "also_viewed": ["i-8", "i-12"],
        "also_bought": ["i-31"],
        "feature_time": "2026-11-22T07:15:00Z",
    },
    ("GET", "/v1/users/{user_id}/recommendations"): _SLATE,
    ("POST", "/v1/recommendations"): _SLATE,
    ("GET", "/v1/items/{item_id}/similar"): _SLATE | {"surface": "similar", "feature_time": None},
    ("GET", "/v1/items/{item_id}/bought-together"): _SLATE | {"surface": "bought_together", "feature_time": None},
    ("GET", "/v1/trending"): _SLATE | {"surface": "trending", "feature_time": None},
    ("POST", "/v1/rank"): _SLATE | {"surface": "rank", "left_out_item_ids": ["i-99"]},
    ("GET", "/v1/surfaces"): {
        "surfaces": {"home": {"kind": "home", "weights": {"also_viewed": 1.0, "model": 0.6}, "size": 20}},
        "campaigns": [],
        "age_limits": [],
    },
    ("GET", "/v1/users/{user_id}/hidden"): _HIDDEN,
    ("PUT", "/v1/users/{user_id}/hidden/{item_id}"): _HIDDEN,
    ("DELETE", "/v1/users/{user_id}/hidden/{item_id}"): _HIDDEN | {"item_ids": []},
    ("DELETE", "/v1/users/{user_id}"): _ERASURE,
    ("GET", "/v1/erasures/{erasure_id}"): _ERASURE
    | {
        "status": "complete",
        "phase": "complete",
        "completed_at": "2026-11-22T09:30:04.120+00:00",
        "counts": {"sessions": 3, "events": 41},
    },
    ("GET", "/v1/users/{user_id}/export"): {
        "user_id": "u-42",
        "exported_at": "2026-11-22T09:30:00+00:00",
        "sessions": ["user:u-42"],
        "features": {"session": [], "user": [], "user_items": [], "user_purchases": []},
        "hidden_items": ["i-9"],
        "cached_slates": [],
        "dead_letters": [],
        "history": {"events": [], "session": [], "user": [], "user_items": [], "user_purchases": []},
        "event_log": [],
    },
    ("GET", "/v1/models"): {"current": _MODEL, "serving": _MODEL, "refused": None, "models": [_SUMMARY]},
    ("GET", "/v1/models/{version}"): {
        "version": _MODEL,
        "current": True,
        "size_bytes": 48_200_000,
        "damage": None,
        "manifest": {"version": _MODEL, "kind": "full", "events": 1_250_000},
    },
    ("POST", "/v1/models/rollback"): _ACTIVATED,
    ("POST", "/v1/models/{version}/activate"): _ACTIVATED,
    ("GET", "/health/live"): {"status": "alive"},
    ("GET", "/health/ready"): {"status": "ready", "warnings": []},
}


def add_examples(description: dict[str, Any]) -> None:
    """Add to each address of an OpenAPI description an example of its answer when all goes well."""
    for path, item in description["paths"].items():
        for method, operation in item.items():
            example = EXAMPLES.get((method.upper(), path))
            for status, answer in operation["responses"].items():
                if example is not None and status < "300":
                    answer["content"]["application/json"].setdefault("example", example)

"""What each address asks of a key. An address that states nothing asks for the scope admin."""

from __future__ import annotations

from typing import Final, Literal

from recommender.api_keys import ADMIN, READ, WRITE, Scope

OPEN: Final = "open"
"""No key at all."""
Needed = Scope | Literal["open"]

STATED: dict[tuple[str, str], Needed] = {
    ("GET", "/v1/users/{user_id}/recommendations"): READ,
    ("POST", "/v1/recommendations"): READ,
    ("POST", "/v1/rank"): READ,
    ("GET", "/v1/items/{item_id}/similar"): READ,
    ("GET", "/v1/items/{item_id}/bought-together"): READ,
    ("GET", "/v1/items/{item_id}"): READ,
    ("GET", "/v1/trending"): READ,
    ("GET", "/v1/surfaces"): READ,
    ("POST", "/v1/events"): WRITE,
    ("POST", "/v1/items"): WRITE,
    ("PUT", "/v1/items/{item_id}"): WRITE,
    ("DELETE", "/v1/items/{item_id}"): WRITE,
    ("PUT", "/v1/items/{item_id}/stock"): WRITE,
    ("POST", "/v1/stock"): WRITE,
    ("GET", "/v1/users/{user_id}/hidden"): READ,
    ("PUT", "/v1/users/{user_id}/hidden/{item_id}"): WRITE,
    ("DELETE", "/v1/users/{user_id}/hidden/{item_id}"): WRITE,
    ("DELETE", "/v1/users/{user_id}"): ADMIN,
    ("GET", "/v1/users/{user_id}/export"): ADMIN,
    ("GET", "/v1/erasures/{erasure_id}"): ADMIN,
    ("GET", "/v1/models"): ADMIN,
    ("GET", "/v1/models/{version}"): ADMIN,
    ("POST", "/v1/models/rollback"): ADMIN,
    ("POST", "/v1/models/{version}/activate"): ADMIN,
    ("GET", "/health/live"): OPEN,
    ("GET", "/health/ready"): OPEN,
    ("GET", "/metrics"): OPEN,
    ("GET", "/"): OPEN,
    ("GET", "/docs"): OPEN,
    ("GET", "/docs/assets/{name}"): OPEN,
    ("GET", "/openapi.json"): OPEN,
}


def needed_by(method: str, path: str) -> Needed:
    """Return what an address asks for.

    Args:
        method: in capitals.
        path: as the API's description writes it, ``/v1/items/{item_id}``.
    """
    return STATED.get((method, path), ADMIN)

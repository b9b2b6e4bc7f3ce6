"""What the API's description says of keys: which scope each address asks for, and how it refuses."""

from __future__ import annotations

from typing import Any

from api.scopes import OPEN, needed_by

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key that `liveshelf keys create` has made."},
    "header": {
        "type": "apiKey",
        "in": "header",
        "name": "x-api-key",
        "description": "The same key, in another header.",
    },
}
_ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}


def _refusal(description: str, code: str, message: str, **headers: str) -> dict[str, Any]:
    example = {"error": {"code": code, "message": message, "details": []}}
    return {
        "description": description,
        "content": {"application/json": {**_ERROR["application/json"], "example": example}},
        "headers": {
            name.replace("_", "-"): {"schema": {"type": "string"}, "description": meaning}
            for name, meaning in headers.items()
        },
    }


def _refusals(needed: str) -> dict[str, Any]:
    return {
        "401": _refusal(
            "No key is shown, or none that is known",
            "unauthorized",
            "authorization: must be `Bearer` and a key to this API, or x-api-key that key; got none",
            WWW_Authenticate="how to show one",
        ),
        "403": _refusal(
            f"The key has not the scope {needed}",
            "forbidden",
            f"key: must have the scope {needed} for this address; got another",
            WWW_Authenticate="the scope that is needed",
        ),
        "429": _refusal(
            "Too many requests with this key",
            "too_many_requests",
            "requests: must be at most 600/minute with this key; try again in 2 s",
            Retry_After="until there is room again [s]",
            RateLimit_Policy="the limit: `q` requests in `w` seconds",
            RateLimit="what is left of it: none, for `t` seconds",
        ),
    }


def _unknown(path: str) -> dict[str, Any]:
    """Return the answer to an id that no address can hold, such as one with a line break."""
    return {"404": _refusal("No such address", "not_found", "no such address")} if "{" in path else {}


def state_access(description: dict[str, Any]) -> None:
    """Add to every address of an OpenAPI description what it asks of a key, and the answers to those without."""
    description["components"]["securitySchemes"] = _SCHEMES
    for path, item in description["paths"].items():
        for method, operation in item.items():
            needed = needed_by(method.upper(), path)
            if needed == OPEN:
                operation["security"] = []
                continue
            operation["security"] = [{scheme: []} for scheme in _SCHEMES]
            operation["x-scope"] = needed
            stated = f"Needs a key with the scope `{needed}`."
            operation["description"] = f"{operation.get('description', '')}\n\n{stated}".strip()
            operation["responses"] = dict(sorted((_refusals(needed) | _unknown(path) | operation["responses"]).items()))

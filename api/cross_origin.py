"""Which other sites' pages may ask the API (CORS); none unless told."""

from __future__ import annotations

import re
from typing import Any

from recommender.settings import UnsafeSettings

_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.\-]+(:\d{1,5})?|https?://\[[0-9a-fA-F:]+\](:\d{1,5})?")

CROSS_ORIGIN: dict[str, Any] = {
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["authorization", "x-api-key", "content-type", "cache-control"],
    "expose_headers": ["x-cache", "retry-after", "ratelimit", "ratelimit-policy"],
    "allow_credentials": False,
    "max_age": 600,
}


def allowed_origins(text: str) -> list[str]:
    """Return the origins of the setting ``cors_origins``.

    Raises:
        UnsafeSettings: one of them is none.
    """
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise UnsafeSettings(f"cors_origins: must be such as https://shop.example, or *; got {origin[:100]!r}")
    return origins

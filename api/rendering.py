"""Slates as the bytes that are sent."""

from __future__ import annotations

import secrets
from datetime import UTC
from typing import Any

import msgspec
import orjson

from recommender.events import utc_from_us
from recommender.features import ItemCatalogue
from recommender.serving.item_table import ItemTable
from recommender.serving.request import Slate, SlateItem


def body_of(table: ItemTable, surface: str, slate: Slate, feature_time_us: int, unknown: list[str] | None) -> bytes:
    """Return the part of an answer that is the same each time it is given: what follows the opening brace's fields."""
    answer: dict[str, object] = {
        "surface": surface,
        "items": entries(table, slate),
        "model_version": slate.model_version,
        "feature_time": utc_from_us(feature_time_us).astimezone(UTC) if feature_time_us else None,
        "fallback": slate.fallback.value if slate.fallback else None,
    }
    if slate.left_out is not None:
        answer["left_out"] = slate.left_out
    if unknown is not None:
        answer["left_out_item_ids"] = unknown
    return orjson.dumps(answer)[1:]


def answer_of(body: bytes, answered_by: str, took_ms: float) -> bytes:
    """Return a whole answer."""
    return b'{"slate_id":"%b","answered_by":"%b","took_ms":%.3f,%b' % (
        secrets.token_hex(16).encode(),
        answered_by.encode(),
        took_ms,
        body,
    )


def entries(table: ItemTable, slate: Slate) -> list[dict[str, object]]:
    """Return the items of a slate, in their places."""
    found = [_entry(table, position, entry) for position, entry in enumerate(slate.items)]
    if slate.explanations is not None:
        for entry, explanation in zip(found, slate.explanations, strict=True):
            entry["explanation"] = msgspec.to_builtins(explanation)
    return found


def item_info(item_id: str, catalogue: ItemCatalogue | None) -> dict[str, Any]:
    """Return what the catalogue says of an item; what is unknown is left out."""
    info: dict[str, Any] = {"item_id": item_id}
    if catalogue is None:
        return info
    for name in ("title", "category", "brand", "image_url", "page_url"):
        value = getattr(catalogue, name)
        if value:
            info[name] = value
    if catalogue.price_cents >= 0:
        info["price_cents"] = catalogue.price_cents
        info["currency"] = catalogue.currency
    return info


def _entry(table: ItemTable, position: int, entry: SlateItem) -> dict[str, object]:
    info = item_info(table.ids[entry.row], table.catalogue[entry.row])
    info["position"] = position
    info["score"] = round(entry.score, 6)
    info["source"] = entry.source
    return info

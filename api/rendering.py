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
from recommender.serving.request import Slate

_MOST_KEPT = 50_000
"""Items whose JSON is kept, some hundred bytes each [count]."""


class Rendering:
    """Writes the answers about one table's items; what they say of an item itself is kept until that changes.

    Args:
        table: the items.
    """

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._written: dict[int, tuple[ItemCatalogue | None, bytes]] = {}
        """Of a row: what the catalogue said of it, and that as JSON without the closing brace."""

    def body(self, surface: str, slate: Slate, feature_time_us: int, left_out_ids: list[str] | None) -> bytes:
        """Return the part of an answer that is the same each time it is given: what follows its first fields."""
        answer: dict[str, object] = {
            "surface": surface,
            "items": orjson.Fragment(self._entries(slate)),
            "model_version": slate.model_version,
            "feature_time": utc_from_us(feature_time_us).astimezone(UTC) if feature_time_us else None,
            "fallback": slate.fallback.value if slate.fallback else None,
        }
        if slate.left_out is not None:
            answer["left_out"] = slate.left_out
        if left_out_ids is not None:
            answer["left_out_item_ids"] = left_out_ids
        return orjson.dumps(answer)[1:]

    def _entries(self, slate: Slate) -> bytes:
        scores = orjson.dumps([float(round(entry.score, 6)) for entry in slate.items])[1:-1].split(b",")
        found = [
            b'%b,"position":%d,"score":%b,"source":"%b"'
            % (self._item(entry.row), position, score, entry.source.encode())
            for position, (entry, score) in enumerate(zip(slate.items, scores, strict=False))  # of none: one, empty
        ]
        if slate.explanations is not None:
            explanations = map(msgspec.json.encode, slate.explanations)
            found = [b'%b,"explanation":%b' % each for each in zip(found, explanations, strict=True)]
        return b"[%b]" % b",".join([entry + b"}" for entry in found])

    def _item(self, row: int) -> bytes:
        catalogue = self._table.catalogue[row]
        kept = self._written.get(row)
        if kept is not None and kept[0] is catalogue:
            return kept[1]
        if len(self._written) >= _MOST_KEPT:
            self._written.clear()
        written = orjson.dumps(item_info(self._table.ids[row], catalogue))[:-1]
        self._written[row] = catalogue, written
        return written


def answer_of(body: bytes, answered_by: str, took_ms: float) -> bytes:
    """Return a whole answer."""
    return b'{"slate_id":"%b","answered_by":"%b","took_ms":%.3f,%b' % (
        secrets.token_hex(16).encode(),
        answered_by.encode(),
        took_ms,
        body,
    )


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

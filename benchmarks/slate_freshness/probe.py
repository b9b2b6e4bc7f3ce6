"""One shopper after the other clicks, and asks for the home slate until it is another."""

from __future__ import annotations

import time
from array import array
from datetime import datetime
from typing import Any

import httpx
import numpy as np

from benchmarks.rollback.shop import item_ids
from benchmarks.serve.http_load import percentiles
from benchmarks.serve.shoppers import user_id
from benchmarks.serve.sources import view
from benchmarks.stream.children import ChildFailed

_EVERY_S = 0.01
"""From one answer to the next question."""
_PAUSE_S = 0.05
_GIVE_UP_S = 10.0


class Probe:
    """Measures from the acknowledgement of a click.

    ``features``: until a slate comes whose ``feature_time`` is not before the click, so that it was made of the
    shopper's features with the click in them. ``changed``: until a slate comes whose items, or their order, are not
    those of the slate before the click.
    """

    def __init__(self, url: str, users: int, items: int, n: int) -> None:
        self._client = httpx.Client(base_url=url, timeout=_GIVE_UP_S, trust_env=False)
        self._users, self._items, self._n = users, item_ids(items), n
        self._rng = np.random.default_rng(2)
        self._label = time.time_ns()
        self._clicks = 0
        self.features_ms, self.changed_ms, self.click_ms = array("d"), array("d"), array("d")
        self.same = 0
        """Clicks after which the slate stayed the same for ten seconds."""

    def run(self, seconds: float) -> None:
        """Click for some seconds."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self._click(user_id(self._clicks % self._users))
            time.sleep(_PAUSE_S)
        self._client.close()

    def figures(self) -> dict[str, Any]:
        """Return what was found."""
        return {
            "clicks": self._clicks,
            "unchanged": self.same,
            "changed": percentiles(self.changed_ms),
            "features": percentiles(self.features_ms),
            "click_acknowledged": percentiles(self.click_ms),
        }

    def _click(self, user: str) -> None:
        before, _ = self._slate(user)
        item = self._items[int(self._rng.integers(len(self._items)))]
        self._clicks += 1
        left = time.monotonic()
        clicked_us = time.time_ns() // 1_000
        body = view(f"click-{self._label}-{self._clicks}", user, item)
        answer = self._client.post("/v1/events", content=body, headers={"content-type": "application/json"})
        acknowledged = time.monotonic()
        if answer.status_code != httpx.codes.ACCEPTED:
            raise ChildFailed(f"api: must accept a click; got {answer.text[:300]}")
        self.click_ms.append(1_000 * (acknowledged - left))
        featured = changed = None
        while (featured is None or changed is None) and time.monotonic() - acknowledged < _GIVE_UP_S:
            shown, feature_us = self._slate(user)
            passed_ms = 1_000 * (time.monotonic() - acknowledged)
            if featured is None and feature_us >= clicked_us:
                featured = passed_ms
            if changed is None and shown != before:
                changed = passed_ms
            time.sleep(_EVERY_S)
        if featured is not None:
            self.features_ms.append(featured)
        if changed is None:
            self.same += 1
        else:
            self.changed_ms.append(changed)

    def _slate(self, user: str) -> tuple[list[str], int]:
        answer = self._client.get(f"/v1/users/{user}/recommendations", params={"n": self._n})
        if answer.status_code != httpx.codes.OK:
            raise ChildFailed(f"api: must give a slate; got {answer.text[:300]}")
        slate = answer.json()
        return [item["item_id"] for item in slate["items"]], _us(slate["feature_time"])


def _us(moment: str | None) -> int:
    if not moment:
        return 0
    return round(datetime.fromisoformat(moment).timestamp() * 1e6)

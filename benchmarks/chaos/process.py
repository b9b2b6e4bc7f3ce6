"""The process that the requests of the drills come from: plans on standard input, figures on standard output.

Nine of ten requests are shoppers' home slates, each tenth posts a click. A GET whose connection breaks is sent once
more a little later, as HTTP clients do; a POST is not, and counts for nothing unless it was acknowledged.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import Counter
from typing import Any

import msgspec
import orjson

from benchmarks.rollback.shop import item_ids
from benchmarks.serve.http_load import Ask, HttpLoad
from benchmarks.serve.shoppers import user_id
from benchmarks.serve.sources import home, post, view

SLATE, CLICK = "slate", "click"
_EVERY = 10
_ITEM_ID, _DEGRADED = b'"item_id":"', (b'"answered_by":"stale"', b'"answered_by":"popular"')


class Plan(msgspec.Struct, frozen=True):
    """One drill's load."""

    url: str
    label: str
    seconds: float
    rate: int
    users: int
    items: int
    begins: float | None = None
    """When it begins [s of the monotonic clock]."""
    n: int = 20
    connections: int = 64


class Shoppers:
    """Asks, clicks, and notes when an answer was not as it should be."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._homes = [Ask(SLATE, home(user_id(number), plan.n), again=True) for number in range(plan.users)]
        self._items = item_ids(plan.items)
        self._number = 0
        self.acknowledged: list[str] = []
        self.bad_at: dict[str, list[float]] = {"failed": [], "degraded": [], "click failed": []}
        """When answers came that were not as they should be [s of the monotonic clock]."""
        self.fallbacks: Counter[str] = Counter()

    def next(self) -> Ask:
        self._number += 1
        clicks = self._number // _EVERY
        if self._number % _EVERY:
            return self._homes[(self._number - clicks) % len(self._homes)]
        event_id = f"chaos-{self._plan.label}-{clicks}"
        user, item = user_id(clicks % self._plan.users), self._items[clicks % len(self._items)]
        return Ask(CLICK, post("/v1/events", view(event_id, user, item)), event_id)

    def answered(self, ask: Ask, status: int, body: bytes, ended: float) -> bool:
        if ask.kind == CLICK:
            right = status == 202
            if right:
                self.acknowledged.append(ask.who)
            else:
                self.bad_at["click failed"].append(ended)
            return right
        right = status == 200 and body.count(_ITEM_ID) == self._plan.n
        if not right:
            self.bad_at["failed"].append(ended)
        elif any(kind in body for kind in _DEGRADED):
            self.bad_at["degraded"].append(ended)
            self.fallbacks[str(orjson.loads(body).get("fallback"))] += 1
        return right


def main() -> None:
    for line in sys.stdin.buffer:
        plan = msgspec.json.decode(line, type=Plan)
        shoppers = Shoppers(plan)
        load = HttpLoad(plan.url, shoppers, plan.connections)
        gc.collect()
        gc.freeze()
        begins = plan.begins or time.monotonic()
        time.sleep(max(0.0, begins - time.monotonic()))
        told: dict[str, Any] = {"load": load.run(plan.seconds, plan.rate, begins)}
        load.close()
        told |= {
            "acknowledged": shoppers.acknowledged,
            "bad_at": {kind: [moment - begins for moment in moments] for kind, moments in shoppers.bad_at.items()},
            "fallbacks": dict(shoppers.fallbacks),
        }
        sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

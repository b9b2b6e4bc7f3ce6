"""How long until a click, or a sold-out item, is seen in the slates of a running service.

``python -m benchmarks.slate_change --url http://127.0.0.1:8000`` prints seconds from the acknowledged request to the
first changed slate: for a known user, for an anonymous session never seen before, and for an item that sells out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx

_GIVE_UP_S = 30.0
Slate = list[dict[str, Any]]


class Shop:
    """What the benchmark does as a shop would."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=10)

    def slate(self, **who: Any) -> Slate:
        answer = self._http.post("/v1/recommendations", json={"n": 20, **who}).raise_for_status()
        items: Slate = answer.json()["items"]
        return items

    def trending(self) -> Slate:
        items: Slate = self._http.get("/v1/trending", params={"n": 100}).raise_for_status().json()["items"]
        return items

    def category(self, item_id: str) -> str:
        described = self._http.get(f"/v1/items/{item_id}").raise_for_status().json()
        return str(described.get("category") or "")

    def view(self, item_id: str, **who: str) -> None:
        event = {
            "kind": "view",
            "event_id": f"bench-{uuid.uuid4().hex}",
            "event_time": datetime.now(UTC).isoformat(),
            "item_id": item_id,
            **who,
        }
        self._http.post("/v1/events", json=event).raise_for_status()

    def set_stock(self, item_id: str, stock: int) -> None:
        self._http.put(f"/v1/items/{item_id}/stock", json={"stock": stock}).raise_for_status()


def ids(slate: Slate) -> list[str]:
    return [item["item_id"] for item in slate]


def seconds_until(condition: Callable[[], bool]) -> float | None:
    started = time.perf_counter()
    while (passed := time.perf_counter() - started) < _GIVE_UP_S:
        if condition():
            return round(passed, 3)
        time.sleep(0.005)
    return None


def after_a_click(shop: Shop, **who: str) -> dict[str, Any]:
    before = shop.slate(**who)
    seen = {shop.category(item_id) for item_id in ids(before)}
    other = next((item for item in ids(shop.trending()) if shop.category(item) not in seen), None)
    if other is None:
        return {"error": "no item in demand is of a category that the slate does not have"}
    category = shop.category(other)
    shop.view(other, **who)
    passed = seconds_until(lambda: ids(shop.slate(**who)) != ids(before))
    after = shop.slate(**who)
    return {
        "seconds": passed,
        "items_changed": len(set(ids(after)) - set(ids(before))),
        "items_of_the_clicked_category": sum(shop.category(item) == category for item in ids(after)),
    }


def after_selling_out(shop: Shop, **who: str) -> dict[str, Any]:
    item_id = ids(shop.slate(**who))[0]
    shop.set_stock(item_id, 0)
    category = shop.category(item_id)

    def everywhere() -> list[str]:
        of_category = shop.slate(**who, surface="category", category=category) if category else []
        return ids(shop.slate(**who)) + ids(of_category) + ids(shop.trending())

    passed = seconds_until(lambda: item_id not in everywhere())
    shop.set_stock(item_id, 100)
    return {"seconds": passed}


def main() -> int:
    parser = argparse.ArgumentParser(description="Seconds from a click or a stock change to changed slates.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True, help="a user with a history")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--api-key", default="", help="with the scopes read and write")
    arguments = parser.parse_args()
    shop = Shop(arguments.url, arguments.api_key)
    result = {
        "known_user": [after_a_click(shop, user_id=arguments.user) for _ in range(arguments.rounds)],
        "new_anonymous_session": [
            after_a_click(shop, session_id=f"bench-{uuid.uuid4().hex}") for _ in range(arguments.rounds)
        ],
        "sold_out": [after_selling_out(shop, user_id=arguments.user) for _ in range(arguments.rounds)],
    }
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

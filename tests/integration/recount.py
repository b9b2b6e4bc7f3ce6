"""An independent recount of the online features of a replayed taobao file, in plain pandas.

It shares no code with the stream. What it computes is written down in docs/features.md; each value is recounted as of
the feature time of the row that the store holds. ``python -m tests.integration.recount FILE`` checks a running
installation (``LIVESHELF_DATA_DIR``) after ``liveshelf replay taobao FILE`` and prints the differences.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from recommender.features import ROW_TYPES, FeatureRow
from recommender.settings import Settings
from recommender.store import FeastFeatures

KINDS = {"pv": "view", "cart": "add_to_cart", "fav": "add_to_wishlist", "buy": "purchase"}
WEIGHTS = {"view": 1.0, "add_to_cart": 3.0, "add_to_wishlist": 2.0, "purchase": 5.0}
MINUTE, HOUR, DAY = 60, 3_600, 86_400
SHORT_WINDOWS = {"5m": (5 * MINUTE, 10), "1h": (HOUR, MINUTE), "24h": (DAY, 15 * MINUTE)}


class Recount:
    """The events of a taobao file, to be counted by user, item and category."""

    def __init__(self, file: Path, rows: int | None = None) -> None:
        events = pd.read_csv(
            file, header=None, names=["user", "item", "category", "behaviour", "t"], dtype=str, nrows=rows
        )
        events["t"] = events["t"].astype(int)
        events["kind"] = events["behaviour"].map(KINDS)
        events["id"] = [f"taobao-{line}" for line in range(1, len(events) + 1)]
        events["weight"] = events["kind"].map(WEIGHTS)
        self.events = events
        self._of_user = dict(iter(events.groupby("user")))
        self._of_item = dict(iter(events.groupby("item")))
        self._pairs = {kind: _pairs(events, kind, reach) for kind, reach in (("view", 5), ("purchase", 10))}
        last = events.sort_values(["t", "category"], kind="stable").groupby("item")["category"].last()
        self._items_of_category = {c: list(i.index) for c, i in last.groupby(last)}

    @property
    def users(self) -> list[str]:
        return sorted(self._of_user)

    @property
    def items(self) -> list[str]:
        return sorted(self._of_item)

    @property
    def categories(self) -> list[str]:
        return sorted(self._items_of_category)

    def user(self, user: str, now: float) -> dict[str, Any]:
        mine = self._of_user[user]
        bought = mine[mine.kind == "purchase"]
        interest = _decayed(zip(mine.category, mine.t, mine.weight, strict=True), now, 7 * DAY)
        return {
            **_windows("views", mine[mine.kind == "view"].t, now),
            **_windows("carts", mine[mine.kind == "add_to_cart"].t, now),
            "purchases_30d": _in_window(bought.t, now, 30 * DAY, HOUR),
            "purchase_count": len(bought),
            "order_count": bought.t.nunique(),
            "refund_count": 0,
            "first_purchase_at_ms": int(bought.t.min()) * 1000 if len(bought) else 0,
            "last_purchase_at_ms": int(bought.t.max()) * 1000 if len(bought) else 0,
            "average_order_cents": 0.0,
            "currency": "",
            "price_level_cents": 0.0,
            "top_categories": (interest, 10),
            "top_brands": ({}, 10),
        }

    def session(self, user: str, now: float) -> dict[str, Any]:
        mine = self._of_user[user].sort_values("t", kind="stable")
        visit = mine[(mine.t.diff() > 30 * MINUTE).cumsum() == (mine.t.diff() > 30 * MINUTE).cumsum().max()]
        recent = mine.groupby("item").agg(t=("t", "max"), category=("category", "last")).reset_index()
        recent = recent.sort_values(["t", "item"], ascending=False).head(20)
        cart = mine[mine.kind.isin(["add_to_cart", "purchase"])].assign(inside=lambda e: e.kind == "add_to_cart")
        cart = cart.sort_values(["t", "inside"]).groupby("item").last().reset_index()
        cart = cart[cart.inside].sort_values(["t", "item"], ascending=False).head(50)
        return {
            "user_id": user,
            "started_at_ms": int(visit.t.min()) * 1000,
            "duration_s": float(visit.t.max() - visit.t.min()),
            "events": len(visit),
            "views": int((visit.kind == "view").sum()),
            "distinct_categories": visit.category.nunique(),
            "recent_items": list(recent.item),
            "recent_item_at_ms": [t * 1000 for t in recent.t],
            "recent_categories": list(recent.category),
            "recent_queries": [],
            "cart_items": list(cart.item),
            "device": "",
            "country": "",
        }

    def item_activity(self, item: str, now: float) -> dict[str, Any]:
        mine = self._of_item[item]
        views, bought = mine[mine.kind == "view"].t, mine[mine.kind == "purchase"].t
        counted = {
            **_windows("views", views, now),
            **_windows("carts", mine[mine.kind == "add_to_cart"].t, now),
            **_windows("purchases", bought, now),
        }
        seen = counted["views_24h"]
        return {
            **counted,
            "conversion_24h_ratio": counted["purchases_24h"] / seen if seen else 0.0,
            "trend_score": self._trend(item, now),
            "also_viewed": (_decayed(self._pairs["view"].get(item, ()), now, 14 * DAY), 20),
            "also_bought": (_decayed(self._pairs["purchase"].get(item, ()), now, 14 * DAY), 20),
        }

    def item_catalogue(self, item: str, now: float) -> dict[str, Any]:
        seen = self._of_item[item]
        unknown = {"currency": "", "title": "", "brand": "", "tags": [], "image_url": "", "page_url": ""}
        category = seen[seen.t <= now].category.iloc[-1]
        return {**unknown, "available": True, "stock": -1, "price_cents": -1, "category": category}

    def category(self, category: str, now: float) -> dict[str, Any]:
        items = self._items_of_category[category]
        return {"trending_items": ({item: self._trend(item, now) for item in items}, 20)}

    def _trend(self, item: str, now: float) -> float:
        mine = self._of_item[item]
        return float(sum(w * 2.0 ** (-(now - t) / (6 * HOUR)) for t, w in zip(mine.t, mine.weight, strict=True)))


def _pairs(events: pd.DataFrame, kind: str, reach: int) -> dict[str, list[tuple[str, int, float]]]:
    """Item to (other item, time, weight) of each pair that a session makes of its events of one kind."""
    found: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    for _, mine in events[events.kind == kind].sort_values(["t", "id"]).groupby("user"):
        if len(mine) < 2:
            continue
        items, times = list(mine.item), list(mine.t)
        for newer in range(len(items)):
            for older in range(max(0, newer - reach), newer):
                if items[older] != items[newer] and times[newer] - times[older] <= HOUR:
                    found[items[older]].append((items[newer], times[newer], 1.0))
                    found[items[newer]].append((items[older], times[newer], 1.0))
    return found


def _windows(name: str, times: Iterable[int], now: float) -> dict[str, int]:
    times = list(times)
    return {f"{name}_{w}": _in_window(times, now, length, pane) for w, (length, pane) in SHORT_WINDOWS.items()}


def _in_window(times: Iterable[int], now: float, length: int, pane: int) -> int:
    return sum(1 for t in times if now // pane - length // pane < t // pane <= now // pane)


def _decayed(parts: Iterable[tuple[str, int, float]], now: float, half_life: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for key, t, weight in parts:
        sums[key] += weight * 2.0 ** (-(now - t) / half_life)
    return dict(sums)


def differences(row: FeatureRow, expected: Mapping[str, Any]) -> list[str]:
    """Name each column of the row that is not as expected; scores to nine digits, equal scores in any order."""
    found = []
    for column in (c.name for c in row.columns()):
        value, wanted = getattr(row, column), expected.get(column)
        if isinstance(wanted, tuple):
            scores = getattr(row, _scores_column(row, column))
            if not _same_ranking(value, scores, *wanted):
                found.append(f"{row.view} {row.key} {column}: {value} {scores}, recount {wanted}")
        elif column not in expected:
            if not column.endswith("_scores"):
                found.append(f"{row.view} {row.key} {column}: not recounted")
        elif isinstance(wanted, float):
            if not math.isclose(value, wanted, rel_tol=1e-9, abs_tol=1e-12):
                found.append(f"{row.view} {row.key} {column}: {value}, recount {wanted}")
        elif value != wanted:
            found.append(f"{row.view} {row.key} {column}: {value}, recount {wanted}")
    return found


def _scores_column(row: FeatureRow, column: str) -> str:
    names = {
        "top_categories": "top_category_scores",
        "top_brands": "top_brand_scores",
        "trending_items": "trending_scores",
    }
    return names.get(column, f"{column}_scores")


def _same_ranking(keys: Sequence[str], scores: Sequence[float], expected: Mapping[str, float], most: int) -> bool:
    if len(keys) != min(most, len(expected)) or len(set(keys)) != len(keys):
        return False
    if any(key not in expected for key in keys):
        return False
    close = all(math.isclose(s, expected[k], rel_tol=1e-9) for k, s in zip(keys, scores, strict=True))
    falling = all(b <= a * (1 + 1e-9) for a, b in pairwise(scores))
    floor = min(scores, default=0.0) * (1 + 1e-9)
    return close and falling and all(s <= floor for k, s in expected.items() if k not in keys)


def compare(
    features: FeastFeatures,
    recount: Recount,
    seed: int,
    users: int = 200,
    items: int = 200,
    categories: int = 20,
) -> tuple[int, list[str]]:
    """Compare random entities and the most active ones; return how many rows were compared, and the differences."""
    chance = random.Random(seed)
    busiest = lambda column: list(recount.events[column].value_counts().index[:20])  # noqa: E731
    some_users = chance.sample(recount.users, min(users, len(recount.users))) + busiest("user")
    some_items = chance.sample(recount.items, min(items, len(recount.items))) + busiest("item")
    some_categories = chance.sample(recount.categories, min(categories, len(recount.categories))) + busiest("category")
    work = {
        "user": (some_users, recount.user),
        "session": ([f"user:{user}" for user in some_users], lambda key, now: recount.session(key[5:], now)),
        "item_catalogue": (some_items, recount.item_catalogue),
        "item_activity": (some_items, recount.item_activity),
        "category": (some_categories, recount.category),
    }
    compared, found = 0, []
    for row_type in ROW_TYPES:
        keys, count = work[row_type.view]
        for key, row in zip(keys, features.read(row_type, keys), strict=True):
            compared += 1
            if row is None:
                found.append(f"{row_type.view} {key}: no row")
            else:
                found += differences(row, count(key, row.feature_time_us / 1e6))
    return compared, found


def main() -> int:
    parser = argparse.ArgumentParser(description="Recount online features from a taobao file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=20171126)
    arguments = parser.parse_args()
    compared, found = compare(FeastFeatures.open(Settings()), Recount(arguments.file), arguments.seed)
    for line in found[:20]:
        sys.stderr.write(line + "\n")
    sys.stdout.write(json.dumps({"seed": arguments.seed, "rows_compared": compared, "differences": len(found)}) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

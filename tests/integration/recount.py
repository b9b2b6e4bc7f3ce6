"""An independent recount of the online features of a replayed taobao file, in plain Python.

It shares no code with the stream. What it computes is written down in docs/features.md; each value is recounted as of
the feature time of the row that the store holds, and as of an instant after it that the row is aged to.
``python -m tests.integration.recount FILE`` checks a running installation (``LIVESHELF_DATA_DIR``) after
``liveshelf replay taobao FILE`` and prints the differences.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd
import pytest

from recommender.features import ROW_TYPES, FeatureRow, aged
from recommender.settings import Settings
from recommender.store import FeastFeatures

KINDS = {"pv": "view", "cart": "add_to_cart", "fav": "add_to_wishlist", "buy": "purchase"}
WEIGHTS = {"view": 1.0, "add_to_cart": 3.0, "add_to_wishlist": 2.0, "purchase": 5.0}
MINUTE, HOUR, DAY = 60, 3_600, 86_400
SHORT_WINDOWS = {"5m": (5 * MINUTE, 10), "1h": (HOUR, MINUTE), "24h": (DAY, 15 * MINUTE)}
REACHES = {"view": 5, "purchase": 10}
LATER_S = (7, 291, 29 * MINUTE, 50 * MINUTE, 20 * HOUR, 3 * DAY, 31 * DAY)
"""How long after its feature time a row is read, one for each row in turn."""


class Seen(NamedTuple):
    """One row of the file."""

    user: str
    item: str
    category: str
    kind: str
    t: int
    id: str


def read_taobao(file: Path, rows: int | None = None, prefix: str = "taobao") -> list[Seen]:
    """Return the first rows of a taobao file, in its order, with ids that number its lines."""
    names = ["user", "item", "category", "behaviour", "t"]
    frame = pd.read_csv(file, header=None, names=names, dtype=str, nrows=rows)
    frame["kind"] = frame["behaviour"].map(KINDS)
    columns = (frame[name] for name in ("user", "item", "category", "kind", "t"))
    return [
        Seen(user, item, category, kind, int(t), f"{prefix}-{line}")
        for line, (user, item, category, kind, t) in enumerate(zip(*columns, strict=True), 1)
    ]


class Reader(Protocol):
    """Reads feature rows, as FeastFeatures does."""

    def read(self, row_type: type[Any], keys: Sequence[str]) -> Sequence[Any]: ...

    def item_ids(self) -> list[str]: ...


class Recount:
    """Events that count, neither repeated nor late, to be counted by user, item and category."""

    def __init__(self, events: Iterable[Seen]) -> None:
        self.events = sorted(events, key=lambda seen: (seen.t, seen.id))
        self._of_user = _by(self.events, "user")
        self._of_item = _by(self.events, "item")
        self._pairs = {kind: _pairs(self._of_user.values(), kind, reach) for kind, reach in REACHES.items()}
        self._items_of_category: dict[str, list[str]] = defaultdict(list)
        for item, mine in self._of_item.items():
            self._items_of_category[max((seen.t, seen.category) for seen in mine)[1]].append(item)

    @property
    def users(self) -> list[str]:
        return sorted(self._of_user)

    @property
    def items(self) -> list[str]:
        return sorted(self._of_item)

    @property
    def categories(self) -> list[str]:
        return sorted(self._items_of_category)

    def shopper_time_us(self, user: str) -> int:
        """The feature time that the rows of a user and of the user's session must have."""
        return _time_us(self._of_user[user])

    def purchases_time_us(self, user: str) -> int:
        """The feature time that the row of what a user has bought must have."""
        return _time_us([seen for seen in self._of_user[user] if seen.kind == "purchase"])

    def catalogue_time_us(self, item: str) -> int:
        """The feature time that an item's catalogue row must have: each event tells its category."""
        return _time_us(self._of_item[item])

    def user(self, user: str, now: float) -> dict[str, Any]:
        mine = self._of_user[user]
        bought = _times(mine, "purchase")
        interest = _decayed(((seen.category, seen.t, WEIGHTS[seen.kind]) for seen in mine), now, 7 * DAY)
        return {
            **_windows("views", _times(mine, "view"), now),
            **_windows("carts", _times(mine, "add_to_cart"), now),
            "purchases_30d": _in_window(bought, now, 30 * DAY, HOUR),
            "purchase_count": len(bought),
            "order_count": len(set(bought)),
            "refund_count": 0,
            "first_purchase_at_ms": min(bought, default=0) * 1000,
            "last_purchase_at_ms": max(bought, default=0) * 1000,
            "average_order_cents": 0.0,
            "currency": "",
            "price_level_cents": 0.0,
            "top_categories": (interest, 10),
            "top_brands": ({}, 10),
        }

    def user_items(self, user: str, now: float) -> dict[str, Any]:
        known: dict[str, tuple[int, int]] = {}
        for seen in sorted(self._of_user[user], key=lambda seen: (seen.t, seen.item)):
            known[seen.item] = (seen.t, known.pop(seen.item, (0, 0))[1] + 1)
            if len(known) > 120:
                del known[next(iter(known))]
        shown = list(reversed(known.items()))[:100]
        return {
            "items": [item for item, _ in shown],
            "last_at_ms": [t * 1000 for _, (t, _) in shown],
            "looks": [looks for _, (_, looks) in shown],
        }

    def user_purchases(self, user: str, now: float) -> dict[str, Any] | None:
        lines: dict[str, list[int]] = defaultdict(list)
        for seen in self._of_user[user]:
            if seen.kind == "purchase":
                lines[seen.item].append(seen.t)
        if not lines:
            return None
        shown = sorted(lines, key=lambda item: (max(lines[item]), item), reverse=True)[:200]
        orders = [len(set(lines[item])) for item in shown]
        spans = [(max(lines[item]) - min(lines[item])) / DAY for item in shown]
        return {
            "items": shown,
            "orders": orders,
            "units": [len(lines[item]) for item in shown],
            "last_at_ms": [max(lines[item]) * 1000 for item in shown],
            "interval_days": [span / max(count - 1, 1) for span, count in zip(spans, orders, strict=True)],
        }

    def session(self, user: str, now: float) -> dict[str, Any]:
        mine = self._of_user[user]
        breaks = [place for place, (a, b) in enumerate(pairwise(mine), 1) if b.t - a.t > 30 * MINUTE]
        visit = mine[breaks[-1] if breaks else 0 :]
        looked = {seen.item: seen for seen in mine}
        recent = sorted(looked.values(), key=lambda seen: (seen.t, seen.item), reverse=True)[:20]
        moves = [seen for seen in mine if seen.kind in ("add_to_cart", "purchase")]
        moved = {seen.item: seen for seen in sorted(moves, key=lambda seen: (seen.t, seen.kind == "add_to_cart"))}
        inside = [seen for seen in moved.values() if seen.kind == "add_to_cart"]
        cart = sorted(inside, key=lambda seen: (seen.t, seen.item), reverse=True)[:50]
        inactive = now - self.shopper_time_us(user) / 1e6
        if inactive > 30 * MINUTE:
            visit = []
        if inactive > 30 * DAY:
            cart = []
        return {
            "user_id": user,
            "started_at_ms": visit[0].t * 1000 if visit else 0,
            "duration_s": float(visit[-1].t - visit[0].t) if visit else 0.0,
            "events": len(visit),
            "views": len(_times(visit, "view")),
            "distinct_categories": len({seen.category for seen in visit}),
            "recent_items": [seen.item for seen in recent],
            "recent_item_at_ms": [seen.t * 1000 for seen in recent],
            "recent_categories": [seen.category for seen in recent],
            "recent_queries": [],
            "cart_items": [seen.item for seen in cart],
            "device": "",
            "country": "",
        }

    def item_activity(self, item: str, now: float) -> dict[str, Any]:
        mine = self._of_item[item]
        counted = {
            **_windows("views", _times(mine, "view"), now),
            **_windows("carts", _times(mine, "add_to_cart"), now),
            **_windows("purchases", _times(mine, "purchase"), now),
        }
        seen = counted["views_24h"]
        return {
            **counted,
            "conversion_24h_ratio": counted["purchases_24h"] / seen if seen else 0.0,
            "trend_score": self._interest(item, now, 6 * HOUR),
            "popularity_score": self._interest(item, now, 28 * DAY),
            "also_viewed": (_decayed(self._pairs["view"].get(item, ()), now, 14 * DAY), 20),
            "also_bought": (_decayed(self._pairs["purchase"].get(item, ()), now, 14 * DAY), 20),
        }

    def item_catalogue(self, item: str, now: float) -> dict[str, Any]:
        unknown = {
            "currency": "",
            "title": "",
            "brand": "",
            "tags": [],
            "image_url": "",
            "page_url": "",
            "listed_at_ms": 0,
        }
        category = max((seen.t, seen.category) for seen in self._of_item[item] if seen.t <= now)[1]
        return {**unknown, "available": True, "stock": -1, "price_cents": -1, "category": category}

    def category(self, category: str, now: float) -> dict[str, Any]:
        items = self._items_of_category[category]
        return {"trending_items": ({item: self._interest(item, now, 6 * HOUR) for item in items}, 20)}

    def _interest(self, item: str, now: float, half_life: int) -> float:
        return float(sum(WEIGHTS[seen.kind] * 2.0 ** ((seen.t - now) / half_life) for seen in self._of_item[item]))


def _time_us(mine: Sequence[Seen]) -> int:
    return mine[-1].t * 1_000_000 + len(mine)


def _by(events: Iterable[Seen], column: str) -> dict[str, list[Seen]]:
    grouped: dict[str, list[Seen]] = defaultdict(list)
    for seen in events:
        grouped[getattr(seen, column)].append(seen)
    return grouped


def _times(events: Iterable[Seen], kind: str) -> list[int]:
    return [seen.t for seen in events if seen.kind == kind]


def _pairs(users: Iterable[Sequence[Seen]], kind: str, reach: int) -> dict[str, list[tuple[str, int, float]]]:
    """Item to (other item, time, weight) of each pair that a session makes of its events of one kind."""
    found: dict[str, list[tuple[str, int, float]]] = defaultdict(list)
    for events in users:
        mine = [seen for seen in events if seen.kind == kind]
        for place, newer in enumerate(mine):
            for older in islice(mine, max(0, place - reach), place):
                if older.item != newer.item and newer.t - older.t <= HOUR:
                    found[older.item].append((newer.item, newer.t, 1.0))
                    found[newer.item].append((older.item, newer.t, 1.0))
    return found


def _windows(name: str, times: Sequence[int], now: float) -> dict[str, int]:
    return {f"{name}_{w}": _in_window(times, now, length, pane) for w, (length, pane) in SHORT_WINDOWS.items()}


def _in_window(times: Sequence[int], now: float, length: int, pane: int) -> int:
    return sum(1 for t in times if now // pane - length // pane < t // pane <= now // pane)


def _decayed(parts: Iterable[tuple[str, int, float]], now: float, half_life: int) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for key, t, weight in parts:
        sums[key] += weight * 2.0 ** (-(now - t) / half_life)
    return dict(sums)


def differences(row: FeatureRow, expected: Mapping[str, Any]) -> list[str]:
    """Name each column of the row that is not as expected; scores to nine digits, equal scores in any order."""
    found = []
    for column in _NAMES[type(row)]:
        value, wanted = getattr(row, column), expected.get(column)
        if isinstance(wanted, tuple):
            scores = getattr(row, scores_column(column))
            if not _same_ranking(value, scores, *wanted):
                found.append(f"{row.view} {row.key} {column}: {value} {scores}, recount {wanted}")
        elif column not in expected:
            if not column.endswith("_scores") and column != "panes":
                found.append(f"{row.view} {row.key} {column}: not recounted")
        elif value != (pytest.approx(wanted, rel=1e-9, abs=1e-12) if column in _INEXACT else wanted):
            found.append(f"{row.view} {row.key} {column}: {value}, recount {wanted}")
    return found


_NAMES: dict[type[FeatureRow], tuple[str, ...]] = {
    row_type: tuple(column.name for column in row_type.columns()) for row_type in ROW_TYPES
}


_INEXACT = {each.name for row_type in ROW_TYPES for each in row_type.columns() if "float" in each.type.value}


def scores_column(column: str) -> str:
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
    chosen = set(keys)
    return close and falling and all(s <= floor for k, s in expected.items() if k not in chosen)


def compare(
    features: Reader,
    recount: Recount,
    seed: int,
    users: int = 200,
    items: int = 200,
    categories: int = 20,
) -> tuple[int, list[str]]:
    """Compare random entities and the most active ones; return how many rows were compared, and the differences."""
    chance = random.Random(seed)

    def some(known: list[str], most: int, column: str) -> list[str]:
        busiest = Counter(getattr(seen, column) for seen in recount.events).most_common(20)
        return chance.sample(known, min(most, len(known))) + [key for key, _ in busiest]

    return _compare(
        features,
        recount,
        some(recount.users, users, "user"),
        some(recount.items, items, "item"),
        some(recount.categories, categories, "category"),
    )


def compare_all(features: Reader, recount: Recount) -> tuple[int, list[str]]:
    """Compare every row of every view; return how many rows were compared, and the differences."""
    compared, found = _compare(features, recount, recount.users, recount.items, recount.categories)
    found += [f"item {item}: has a row without an event" for item in set(features.item_ids()) - set(recount.items)]
    return compared, found


def _compare(
    features: Reader, recount: Recount, users: list[str], items: list[str], categories: list[str]
) -> tuple[int, list[str]]:
    work: dict[str, tuple[list[str], Callable[[str, float], dict[str, Any] | None]]] = {
        "user": (users, recount.user),
        "user_items": (users, recount.user_items),
        "user_purchases": (users, recount.user_purchases),
        "session": ([f"user:{user}" for user in users], lambda key, now: recount.session(key[5:], now)),
        "item_catalogue": (items, recount.item_catalogue),
        "item_activity": (items, recount.item_activity),
        "category": (categories, recount.category),
    }
    times = {
        "user": recount.shopper_time_us,
        "user_items": recount.shopper_time_us,
        "user_purchases": recount.purchases_time_us,
        "session": recount.shopper_time_us,
        "item_catalogue": recount.catalogue_time_us,
    }
    compared, found = 0, []
    for row_type in ROW_TYPES:
        keys, count = work[row_type.view]
        for key, row in zip(keys, features.read(row_type, keys), strict=True):
            compared += 1
            expected = count(key, row.feature_time_us / 1e6 if row else 0.0)
            if row is None or expected is None:
                if row is not None or expected is not None:
                    found.append(f"{row_type.view} {key}: {'no row' if row is None else 'a row without an event'}")
                continue
            found += differences(row, expected)
            later_us = row.feature_time_us + LATER_S[compared % len(LATER_S)] * 1_000_000
            later = count(key, later_us / 1e6) or {}
            found += [f"{later_us}: {each}" for each in differences(aged(row, later_us), later)]
            wanted = times[row_type.view](key.removeprefix("user:")) if row_type.view in times else row.feature_time_us
            if row.feature_time_us != wanted:
                found.append(f"{row.view} {key} feature_time_us: {row.feature_time_us}, recount {wanted}")
    return compared, found


def main() -> int:
    parser = argparse.ArgumentParser(description="Recount online features from a taobao file.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--seed", type=int, default=20171126)
    parser.add_argument("--all", action="store_true", help="every row, not a sample")
    arguments = parser.parse_args()
    features, recount = FeastFeatures.open(Settings()), Recount(read_taobao(arguments.file))
    compared, found = compare_all(features, recount) if arguments.all else compare(features, recount, arguments.seed)
    for line in found[:20]:
        sys.stderr.write(line + "\n")
    sys.stdout.write(json.dumps({"seed": arguments.seed, "rows_compared": compared, "differences": len(found)}) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())

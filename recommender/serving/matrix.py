"""Candidates as the ranker sees them: what each source says of each, and what the features know of it.

Training and serving both describe candidates by this module, so what the ranker has learned is what it is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.features.session import SessionFeatures
from recommender.model.sums import distinct_numbers
from recommender.serving.candidates import Candidates, shares_of
from recommender.serving.interest import Interest
from recommender.serving.item_table import NO_TREND, ItemTable
from recommender.serving.ports import Floats, Rows, Scores

SOURCES = (
    "visits",
    "histories",
    "followers",
    "history_followers",
    "linear",
    "linear_recent",
    "also_viewed",
    "also_bought",
    "category",
)
"""Sources whose scores the ranker sees; each as a share of the query's highest score, and by rank."""
_OF_ITEM = ("trend", "popularity", "age_days", "price_to_usual")
_OF_LOOKS = ("recent_place", "recent_minutes", "looks", "in_visit")
_OF_PURCHASES = ("orders", "orders_share", "units", "bought_days", "bought_to_interval")
_OF_BOTH = (
    *_OF_LOOKS,
    "in_cart",
    *_OF_PURCHASES,
    "category_weight",
    "same_category",
    "brand_weight",
)
_OF_SHOPPER = ("visit_items", "known_items", "bought_items", "orders_most", "idle_minutes", "known_user", "hour")
FEATURES: tuple[str, ...] = (
    "model_gap",
    "model_rank",
    *(f"{source}_{kind}" for source in SOURCES for kind in ("share", "rank")),
    *_OF_ITEM,
    *_OF_BOTH,
    *_OF_SHOPPER,
)
"""Names of the columns of a matrix, in their order."""
_COLUMN = {name: place for place, name in enumerate(FEATURES)}
_DAY_MS = 86_400_000.0
_MINUTE_MS = 60_000.0
_RANKS = np.log2(1.0 + np.arange(4_096)).astype(np.float32)


class Matrix(NamedTuple):
    """Distinct candidates."""

    rows: Rows
    """Rows of the item table, ascending."""
    values: Floats
    """float32 [n, len(FEATURES)], column by column; NaN for what is unknown or does not apply."""
    places: npt.NDArray[np.integer]
    """Of each candidate of each source, one source after the other, the place among the rows."""
    shares: Scores
    """And its score, as a share of the source's highest one."""


def candidate_matrix(
    table: ItemTable,
    wishes: Interest,
    sessions: Sequence[SessionFeatures],
    candidates: Sequence[Candidates],
    vector: Floats | None,
    now_us: int,
) -> Matrix:
    """Describe all candidates.

    Args:
        table: the items.
        wishes: the shopper's interest.
        sessions: the shopper's sessions, the latest first.
        candidates: what the sources propose.
        vector: the shopper's vector; None where the model does not know the shopper.
        now_us: the instant of the request.
    """
    lists = [c for c in candidates if len(c.rows)]
    if not lists:
        return Matrix(np.empty(0, np.intp), np.empty((0, len(FEATURES)), np.float32), np.empty(0, np.intp), np.empty(0))
    rows, places = distinct_numbers(np.concatenate([c.rows for c in lists]), len(table.ids))
    shares = shares_of(lists)
    columns = np.full((len(FEATURES), len(rows)), np.nan, np.float32)
    if vector is not None and table.vectors is not None:
        _by_model(columns, table.vectors.scores_of(vector, rows))
    begin = 0
    for some in lists:
        end = begin + len(some.rows)
        column = _COLUMN.get(f"{some.source}_share")
        if column is not None:
            columns[column][places[begin:end]] = shares[begin:end]
            columns[column + 1][places[begin:end]] = _first_ranks(end - begin)
        begin = end
    now_ms = now_us / 1000.0
    _items(columns, table, rows, wishes, now_ms)
    _looks(columns, table, rows, wishes, now_ms)
    _bought(columns, table, rows, wishes, now_ms)
    _tastes(columns, table, rows, wishes)
    _shopper(columns, wishes, sessions, now_ms)
    return Matrix(rows, columns.T, places, shares)


def _by_model(columns: Floats, scores: Floats) -> None:
    highest = np.fmax.reduce(scores)  # not NaN as long as any is not
    if not np.isnan(highest):
        known = ~np.isnan(scores)
        columns[_COLUMN["model_gap"]] = scores - highest
        columns[_COLUMN["model_rank"]][known] = _ranks(scores[known])


def _ranks(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the binary logarithm of 1 + the rank of each score, 0 for the highest."""
    ranks = np.empty(len(scores), np.float32)
    ranks[(-scores).argsort(kind="stable")] = _first_ranks(len(scores))
    return ranks


def _first_ranks(count: int) -> npt.NDArray[np.float32]:
    return _RANKS[:count] if count <= len(_RANKS) else np.log2(1.0 + np.arange(count)).astype(np.float32)


def _items(columns: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    for name in ("trend", "popularity"):
        found = getattr(table, name)[rows]
        highest = found.max()
        if highest > NO_TREND:
            none = found == NO_TREND
            found -= highest
            found[none] = np.nan
            columns[_COLUMN[name]] = found
    columns[_COLUMN["age_days"]] = (now_ms - table.listed_ms[rows]) / _DAY_MS
    if wishes.price_level_cents > 0:
        with np.errstate(divide="ignore"):
            columns[_COLUMN["price_to_usual"]] = np.log2(table.price[rows] / wishes.price_level_cents)


def _looks(columns: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    if wishes.looked:
        at_ms, times = zip(*[(look.at_ms, look.times) for look in wishes.looked.values()], strict=True)
        minutes = np.maximum(0.0, now_ms - np.array(at_ms)) / _MINUTE_MS
        found = (np.arange(len(times)), np.log2(1.0 + minutes), times, [item in wishes.items for item in wishes.looked])
        _set(columns, rows, table.row_numbers(wishes.looked), _OF_LOOKS, found)
    if wishes.cart:
        _set(columns, rows, table.row_numbers(wishes.cart), ("in_cart",), (np.ones(len(wishes.cart)),))


def _bought(columns: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    if not wishes.bought:
        return
    of_each = [(each.orders, each.units, each.last_at_ms, each.interval_days) for each in wishes.bought.values()]
    orders, units, last_at_ms, interval_days = np.array(of_each, np.float64).T
    days = np.maximum(0.0, now_ms - last_at_ms) / _DAY_MS
    due = np.full(len(days), np.nan)
    np.divide(days, interval_days, out=due, where=interval_days > 0)
    found = (orders, orders / orders.max(), units, days, due)
    _set(columns, rows, table.row_numbers(wishes.bought), _OF_PURCHASES, found)


def _tastes(columns: Floats, table: ItemTable, rows: Rows, wishes: Interest) -> None:
    for name, codes, weights in (
        ("category_weight", table.category[rows], wishes.categories),
        ("brand_weight", table.brand[rows], wishes.brands),
    ):
        whole = sum(weights.values())
        if whole > 0:
            shares = np.zeros(len(table.codes), np.float32)
            for taste, weight in weights.items():
                code = table.code_of(taste)
                if code is not None:
                    shares[code] = weight / whole
            shares[0] = np.nan
            columns[_COLUMN[name]] = shares[codes]
    latest = next(iter(wishes.looked), None)
    row = table.row_of(latest) if latest is not None else None
    if row is not None and table.category[row]:
        columns[_COLUMN["same_category"]] = table.category[rows] == table.category[row]


def _shopper(columns: Floats, wishes: Interest, sessions: Sequence[SessionFeatures], now_ms: float) -> None:
    latest = next(iter(wishes.looked.values()), None)
    about: Mapping[str, float] = {
        "visit_items": len(wishes.items),
        "known_items": len(wishes.looked),
        "bought_items": len(wishes.bought),
        "orders_most": max((bought.orders for bought in wishes.bought.values()), default=0),
        "idle_minutes": np.log2(1.0 + max(0.0, now_ms - latest.at_ms) / _MINUTE_MS) if latest else np.nan,
        "known_user": wishes.known_user,
        "hour": now_ms / 3_600_000.0 % 24,
    }
    for name, value in about.items():
        columns[_COLUMN[name]] = value


def _set(columns: Floats, rows: Rows, at: Rows, names: Sequence[str], found: Sequence[npt.ArrayLike]) -> None:
    """Set columns that lie side by side of those rows that are candidates; ``at`` is -1 for what the table lacks."""
    places = np.minimum(rows.searchsorted(at), len(rows) - 1)
    here = (rows.take(places) == at).nonzero()[0]
    if len(here):
        first = _COLUMN[names[0]]
        columns[first : first + len(names), places.take(here)] = np.array(found, np.float64).take(here, axis=1)

"""Candidates as the ranker sees them: what each source says of each, and what the features know of it.

Training and serving both describe candidates by this module, so what the ranker has learned is what it is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.features.session import SessionFeatures
from recommender.serving.candidates import Candidates
from recommender.serving.interest import Interest
from recommender.serving.item_table import ItemTable
from recommender.serving.ports import Floats, Rows

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
_OF_BOTH = (
    "recent_place",
    "recent_minutes",
    "looks",
    "in_visit",
    "in_cart",
    "orders",
    "orders_share",
    "units",
    "bought_days",
    "bought_to_interval",
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


class Matrix(NamedTuple):
    """Distinct candidates."""

    rows: Rows
    """Rows of the item table, ascending."""
    values: Floats
    """float32 [n, len(FEATURES)]; NaN for what is unknown or does not apply."""


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
    lists = [c.rows for c in candidates if len(c.rows)]
    rows = np.unique(np.concatenate(lists)) if lists else np.empty(0, np.intp)
    values = np.full((len(rows), len(FEATURES)), np.nan, np.float32)
    if not len(rows):
        return Matrix(rows, values)
    if vector is not None and table.vectors is not None:
        _by_model(values, table.vectors.scores_of(vector, rows))
    for some in candidates:
        if some.source in SOURCES and len(some.rows):
            _by_source(values, rows, some)
    now_ms = now_us / 1000.0
    _items(values, table, rows, wishes, now_ms)
    _looks(values, table, rows, wishes, now_ms)
    _bought(values, table, rows, wishes, now_ms)
    _tastes(values, table, rows, wishes)
    _shopper(values, wishes, sessions, now_ms)
    return Matrix(rows, values)


def _by_model(values: Floats, scores: Floats) -> None:
    known = ~np.isnan(scores)
    if known.any():
        values[:, _COLUMN["model_gap"]] = scores - np.nanmax(scores)
        values[known, _COLUMN["model_rank"]] = _ranks(scores[known])


def _by_source(values: Floats, rows: Rows, some: Candidates) -> None:
    places = np.searchsorted(rows, some.rows)
    column = _COLUMN[f"{some.source}_share"]
    values[places, column] = some.scores / (some.scores.max() or 1.0)  # all are 0 where nothing is left of them
    values[places, column + 1] = _ranks(some.scores)


def _ranks(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the binary logarithm of 1 + the rank of each score, 0 for the highest."""
    ranks = np.empty(len(scores), np.float32)
    ranks[np.argsort(-scores, kind="stable")] = np.log2(1.0 + np.arange(len(scores)))
    return ranks


def _items(values: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    for name in ("trend", "popularity"):
        column = getattr(table, name)[rows]
        known = np.isfinite(column)
        if known.any():
            values[known, _COLUMN[name]] = column[known] - column[known].max()
    values[:, _COLUMN["age_days"]] = (now_ms - table.listed_ms[rows]) / _DAY_MS
    if wishes.price_level_cents > 0:
        with np.errstate(divide="ignore"):
            values[:, _COLUMN["price_to_usual"]] = np.log2(table.price[rows] / wishes.price_level_cents)


def _looks(values: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    columns = [_COLUMN[name] for name in ("recent_place", "recent_minutes", "looks", "in_visit")]
    at: list[int] = []
    found: list[tuple[float, float, float, float]] = []
    for place, (item_id, look) in enumerate(wishes.looked.items()):
        row = table.row_of(item_id)
        if row is not None:
            at.append(row)
            minutes = max(0.0, now_ms - look.at_ms) / _MINUTE_MS
            found.append((place, np.log2(1.0 + minutes), look.times, item_id in wishes.items))
    _set(values, rows, at, columns, found)
    cart = table.rows_of(wishes.cart)
    _set(values, rows, cart, [_COLUMN["in_cart"]], [(1.0,)] * len(cart))


def _bought(values: Floats, table: ItemTable, rows: Rows, wishes: Interest, now_ms: float) -> None:
    if not wishes.bought:
        return
    names = ("orders", "orders_share", "units", "bought_days", "bought_to_interval")
    most = max(bought.orders for bought in wishes.bought.values())
    at: list[int] = []
    found: list[tuple[float, ...]] = []
    for item_id, bought in wishes.bought.items():
        row = table.row_of(item_id)
        if row is not None:
            at.append(row)
            days = max(0.0, now_ms - bought.last_at_ms) / _DAY_MS
            due = days / bought.interval_days if bought.interval_days > 0 else np.nan
            found.append((bought.orders, bought.orders / most, bought.units, days, due))
    _set(values, rows, at, [_COLUMN[name] for name in names], found)


def _tastes(values: Floats, table: ItemTable, rows: Rows, wishes: Interest) -> None:
    for name, codes, weights in (
        ("category_weight", table.category[rows], wishes.categories),
        ("brand_weight", table.brand[rows], wishes.brands),
    ):
        whole = sum(weights.values())
        if whole > 0:
            column = np.zeros(len(rows), np.float32)
            for taste, weight in weights.items():
                code = table.code_of(taste)
                if code is not None:
                    column[codes == code] = weight / whole
            column[codes == 0] = np.nan
            values[:, _COLUMN[name]] = column
    latest = next(iter(wishes.looked), None)
    row = table.row_of(latest) if latest is not None else None
    if row is not None and table.category[row]:
        values[:, _COLUMN["same_category"]] = table.category[rows] == table.category[row]


def _shopper(values: Floats, wishes: Interest, sessions: Sequence[SessionFeatures], now_ms: float) -> None:
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
        values[:, _COLUMN[name]] = value


def _set(
    values: Floats, rows: Rows, at: Sequence[int], columns: Sequence[int], found: Iterable[Sequence[float]]
) -> None:
    """Set columns of those rows that are candidates."""
    if not at:
        return
    where = np.asarray(at, np.intp)
    places = np.minimum(np.searchsorted(rows, where), len(rows) - 1)
    here = rows[places] == where
    values[np.ix_(places[here], columns)] = np.asarray(list(found), np.float32)[here]

"""From a ranking to a slate: available items, each once, not all of one kind, with a place for what is new."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from recommender.model.best import best
from recommender.serving.candidates import Candidates, Flags
from recommender.serving.item_table import ItemTable
from recommender.serving.ranking import Ranking
from recommender.serving.request import SlateItem, SlateRequest
from recommender.serving.surfaces import SurfaceSettings

_FEW = 500
"""Items in demand that are looked at first: putting all in order takes long where there are many."""
_RANKED_AT_ONCE = 64
"""More than most slates need; what comes after the last one chosen is not looked at."""
SHORTEST_WITH_NEW = 10
"""Length from which on a slate has a place for new items, where its surface gives them any share."""


def choose(
    table: ItemTable,
    request: SlateRequest,
    ranking: Ranking,
    candidates: Sequence[Candidates],
    surface: SurfaceSettings,
    barred: Collection[int],
    flags: Flags | None = None,
) -> list[SlateItem]:
    """Return ``request.n`` available items, as long as there are enough, the best first.

    Args:
        table: the items.
        request: what is asked for.
        ranking: the candidates in order.
        candidates: what the sources propose.
        surface: where the slate is shown.
        barred: rows that are not shown.
        flags: for each row whether it may be shown; None where all may.
    """
    taken = set(barred)
    chosen: list[SlateItem] = []
    put_off: list[SlateItem] = []
    caps = _caps(table, surface, request.n)
    for entry in _ranked(table, ranking, candidates):
        if len(chosen) == request.n:
            break
        row = entry.row
        if row in taken:
            continue
        taken.add(row)
        for cap in caps:
            if cap.is_full(row):
                put_off.append(entry)
                break
        else:
            for cap in caps:
                cap.count(row)
            chosen.append(entry)
    chosen += put_off[: request.n - len(chosen)]
    if surface.fill and len(chosen) < request.n:
        chosen += in_demand(table, request, taken, request.n - len(chosen), flags)
    fresh = _fresh(candidates, request.n, surface) if surface.new_share else []
    return _with_new(table, chosen, fresh, barred, surface, ranking)


class _Cap:
    """How many of one category, or of one brand, a slate has, and may have."""

    def __init__(self, codes: npt.NDArray[np.int32], share: float, n: int) -> None:
        self._code = codes.item
        self._most = max(1, round(n * share))
        self._counts: dict[int, int] = {}

    def is_full(self, row: int) -> bool:
        code = self._code(row)
        return code != 0 and self._counts.get(code, 0) >= self._most

    def count(self, row: int) -> None:
        code = self._code(row)
        self._counts[code] = self._counts.get(code, 0) + 1


def _caps(table: ItemTable, surface: SurfaceSettings, n: int) -> list[_Cap]:
    shares = ((table.category, surface.most_per_category), (table.brand, surface.most_per_brand))
    return [_Cap(codes, share, n) for codes, share in shares if share is not None]


def _ranked(table: ItemTable, ranking: Ranking, candidates: Sequence[Candidates]) -> Iterator[SlateItem]:
    sellable = np.flatnonzero(table.available[ranking.rows])
    sources = [some.source for some in candidates]
    for start in range(0, len(sellable), _RANKED_AT_ONCE):
        some = sellable[start : start + _RANKED_AT_ONCE]
        rows, scores, origins = (column[some].tolist() for column in ranking)
        for row, score, origin in zip(rows, scores, origins, strict=True):
            yield SlateItem(row, score, sources[origin])


def in_demand(
    table: ItemTable, request: SlateRequest, taken: Collection[int], most: int, flags: Flags | None
) -> list[SlateItem]:
    """Return the available rows of most interest that are not taken, in the request's category."""
    needed = most + len(taken)
    rows = table.trending(request.category, _FEW)
    if flags is not None:
        rows = rows[flags[rows]]
    if len(rows) < needed:
        if flags is None:
            rows = table.trending(request.category, len(table.ids))
        else:
            inside = np.flatnonzero(flags & table.available)
            rows = inside[best(table.trend[inside], needed)]
    return [SlateItem(row, 0.0, "trending") for row in rows[:needed].tolist() if row not in taken][:most]


def _fresh(candidates: Sequence[Candidates], n: int, surface: SurfaceSettings) -> list[int]:
    """Return new items for the places that they have, the best first."""
    places = _places(n, surface)
    some = next((c for c in candidates if c.source == "new"), None)
    return some.rows[: places + n].tolist() if places and some is not None else []


def _places(n: int, surface: SurfaceSettings) -> int:
    """Return how many places of a slate new items have: one at least, unless it is very short."""
    return max(int(n * surface.new_share), int(n >= SHORTEST_WITH_NEW))


def _with_new(
    table: ItemTable,
    chosen: list[SlateItem],
    fresh: Sequence[int],
    barred: Collection[int],
    surface: SurfaceSettings,
    ranking: Ranking,
) -> list[SlateItem]:
    """Give the last places to new items, as many as they have and as are not in the slate anyway."""
    places = _places(len(chosen), surface)
    inside = {entry.row for entry in chosen}
    here = sum(row in inside for row in fresh)
    more = [row for row in fresh if row not in inside and row not in barred and table.available[row]]
    wanted = max(0, min(places - here, len(more)))
    if not wanted:
        return chosen
    return chosen[: len(chosen) - wanted] + [SlateItem(row, _score(ranking, row), "new") for row in more[:wanted]]


def _score(ranking: Ranking, row: int) -> float:
    place = np.flatnonzero(ranking.rows == row)
    return float(ranking.scores[place[0]]) if len(place) else 0.0

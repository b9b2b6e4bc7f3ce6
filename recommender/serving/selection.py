"""From a ranking to a slate: available items, each once, not all of one kind, with a place for what is new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.serving.candidates import Candidates
from recommender.serving.item_table import ItemTable
from recommender.serving.ranking import Ranking
from recommender.serving.request import SlateItem, SlateRequest, Surface

CATEGORY_SHARE = 0.6
"""Most of a home slate that one category may take, as long as there is something else."""
NEW_SHARE = 0.05
"""Share of a home slate, its last places, that is given to new items. Without it nobody would ever meet them."""
SHORTEST_WITH_NEW = 10
"""Length from which on a home slate has a place for them."""


def choose(
    table: ItemTable,
    request: SlateRequest,
    ranking: Ranking,
    candidates: Sequence[Candidates],
    barred: set[int],
) -> list[SlateItem]:
    """Return ``request.n`` available items, as long as there are enough, the best first; none that is barred."""
    taken = set(barred)
    at_home = request.surface is Surface.HOME
    fresh = _fresh(candidates, ranking, request.n) if at_home else []
    chosen: list[SlateItem] = []
    put_off: list[SlateItem] = []
    most_alike = max(1, round(request.n * CATEGORY_SHARE)) if at_home else request.n
    alike: dict[int, int] = {}
    for entry in _ranked(table, ranking, candidates):
        if len(chosen) == request.n:
            break
        if entry.row in taken:
            continue
        taken.add(entry.row)
        category = int(table.category[entry.row])
        if category and alike.get(category, 0) >= most_alike:
            put_off.append(entry)
            continue
        alike[category] = alike.get(category, 0) + 1
        chosen.append(entry)
    chosen += put_off[: request.n - len(chosen)]
    if len(chosen) < request.n:
        chosen += _in_demand(table, request, taken, request.n - len(chosen))
    return _with_new(table, chosen, fresh, barred)


def _ranked(table: ItemTable, ranking: Ranking, candidates: Sequence[Candidates]) -> Iterator[SlateItem]:
    sellable = table.available[ranking.rows]
    rows, scores = ranking.rows[sellable].tolist(), ranking.scores[sellable].tolist()
    for row, score, origin in zip(rows, scores, ranking.sources[sellable].tolist(), strict=True):
        yield SlateItem(row, score, candidates[origin].source)


def _in_demand(table: ItemTable, request: SlateRequest, taken: set[int], most: int) -> list[SlateItem]:
    found: list[SlateItem] = []
    for row in table.trending(request.category, len(table.ids)).tolist():
        if len(found) == most:
            break
        if row not in taken:
            found.append(SlateItem(row, 0.0, "trending"))
    return found


def _fresh(candidates: Sequence[Candidates], ranking: Ranking, n: int) -> list[SlateItem]:
    """Return the new items for the places that they have, the best first."""
    places = _places(n)
    some = next((c for c in candidates if c.source == "new" and len(c.rows)), None)
    if not places or some is None:
        return []
    score = dict(zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True))
    best = sorted(zip(some.scores.tolist(), some.rows.tolist(), strict=True), reverse=True)
    return [SlateItem(row, score.get(row, 0.0), "new") for _, row in best[: places + n]]


def _places(n: int) -> int:
    """Return how many places of a slate new items have: one at least, unless it is very short."""
    return max(int(n * NEW_SHARE), int(n >= SHORTEST_WITH_NEW))


def _with_new(
    table: ItemTable, chosen: list[SlateItem], fresh: Sequence[SlateItem], barred: set[int]
) -> list[SlateItem]:
    """Give the last places to new items, as many as they have and as are not in the slate anyway."""
    places = _places(len(chosen))
    inside = {entry.row for entry in chosen}
    here = sum(entry.row in inside for entry in fresh)
    more = [entry for entry in fresh if entry.row not in inside | barred and table.available[entry.row]]
    wanted = max(0, min(places - here, len(more)))
    return chosen[: len(chosen) - wanted] + more[:wanted] if wanted else chosen

"""From a request and the shopper's features to a slate."""

from __future__ import annotations

from collections.abc import Collection

from recommender.features.shopper import Shopper
from recommender.model.ranker import Ranker
from recommender.serving.candidates import only
from recommender.serving.explain import Reasons
from recommender.serving.filters import Masks
from recommender.serving.gathering import gather
from recommender.serving.interest import Interest, interest
from recommender.serving.item_table import ItemTable
from recommender.serving.matrix import FEATURES, candidate_matrix
from recommender.serving.ranking import rank, rank_learned
from recommender.serving.request import (
    SOURCES,
    Fallback,
    Slate,
    SlateItem,
    SlateRequest,
    Surface,
    UnknownItem,
)
from recommender.serving.rules import Inside, barred, boosted, with_pins
from recommender.serving.selection import choose
from recommender.serving.surfaces import Rules, default_rules


def recommend(
    table: ItemTable,
    request: SlateRequest,
    shopper: Shopper,
    *,
    now_us: int,
    store_available: bool = True,
    rules: Rules | None = None,
    masks: Masks | None = None,
    hidden: Collection[str] = (),
    explain: bool = False,
) -> Slate:
    """Make a slate: available items, each once, ``request.n`` of them as long as there are enough.

    Args:
        table: the items.
        request: what is asked for.
        shopper: the feature rows of who is asking, as of ``now_us``.
        now_us: the instant of the request.
        store_available: whether the shopper's features could be read.
        rules: what holds on the surface; without them, what holds on every shop's surface of this kind.
        masks: what answers filters on the table, kept from request to request.
        hidden: items that the shopper does not want to see.
        explain: whether to tell why each item is where it is.

    Raises:
        UnknownItem: the request names an item that the table does not have.
        UnknownCategory: the request names a category in which no item was ever seen.
        BadFilter: the request's filter is none.
    """
    rules = rules or default_rules(request.surface)
    masks = masks or Masks(table)
    inside = Inside(table, request, rules, masks, now_us)
    anchor = None if request.item_id is None else table.row_of(request.item_id)
    if request.item_id is not None and anchor is None:
        raise UnknownItem(request.item_id)
    wishes = interest(shopper)
    ranker = _ranker(table, rules, wishes)
    wanted = SOURCES if ranker else rules.surface.weights.keys()
    gathered = gather(table, request, shopper, wishes, anchor, now_us, wanted=wanted, inside=inside.flags)
    candidates, matrix = gathered.candidates, None
    if inside.flags is not None:
        candidates = only(candidates, inside.flags)
    if ranker is not None:
        matrix = candidate_matrix(table, wishes, shopper.sessions, candidates, gathered.vector, now_us)
        ranking = rank_learned(matrix, ranker, candidates)
    else:
        ranking = rank(candidates, rules.surface.weights)
    if rules.campaigns:
        ranking = boosted(ranking, rules.campaigns, masks, now_us)
    off = barred(table, request, rules, wishes, hidden, anchor, now_us)
    items = choose(table, request, ranking, candidates, rules.surface, off, inside.flags)
    if request.surface is Surface.RANK:
        items = _all_of(table, request, items, off, inside)
    if rules.campaigns:
        items = with_pins(table, items, request.n, rules.campaigns, inside.flags, off)
    model = table.vectors.model.version if table.vectors else None
    slate = Slate(items, model, _fallback(table, request, wishes, store_available), barred=frozenset(off))
    if not explain:
        return slate
    reasons = Reasons(table, gathered.candidates, ranking, matrix, ranker, rules, masks, now_us)
    return reasons.added_to(slate, off, inside)


def _ranker(table: ItemTable, rules: Rules, wishes: Interest) -> Ranker | None:
    """Return what scores the candidates, if it was learned on what candidates are described by now.

    Of who is unknown only demand tells candidates apart; the ranker has filled such slates with new items.
    """
    ranker = table.vectors.model.parts.ranker if table.vectors else None
    if not wishes or ranker is None or ranker.features != FEATURES or rules.surface.ranker != "learned":
        return None
    return ranker


def _all_of(
    table: ItemTable, request: SlateRequest, items: list[SlateItem], off: Collection[int], inside: Inside
) -> list[SlateItem]:
    """Return the ranked items, then those of the request that no source speaks of, in its order."""
    taken = {entry.row for entry in items}
    rest = [
        SlateItem(row, 0.0, "given")
        for row in dict.fromkeys(table.rows_of(request.items))
        if row not in taken and row not in off and table.available[row] and (inside.flags is None or inside.flags[row])
    ]
    return [*items, *rest][: request.n]


def _fallback(table: ItemTable, request: SlateRequest, wishes: Interest, store_available: bool) -> Fallback | None:
    if request.surface is Surface.TRENDING:
        return None
    if not store_available:
        return Fallback.STORE_UNAVAILABLE
    if request.surface not in (Surface.SIMILAR, Surface.BOUGHT_TOGETHER) and not wishes:
        return Fallback.UNKNOWN_SHOPPER
    return Fallback.NO_MODEL if table.vectors is None else None

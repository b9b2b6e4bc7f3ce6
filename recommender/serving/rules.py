"""Which items the shop's rules let a slate show, and how campaigns move them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import reduce

import numpy as np

from recommender.serving.candidates import Flags
from recommender.serving.filters import Filter, Masks, parse_filter
from recommender.serving.interest import Interest
from recommender.serving.item_table import ItemTable
from recommender.serving.ranking import Ranking
from recommender.serving.request import SlateItem, SlateRequest, Surface, UnknownCategory
from recommender.serving.surfaces import Boost, Campaign, Rules

_DAY_MS = 86_400_000.0


class Inside:
    """The rows that a request may show, whoever asks: its category, all filters and age limits."""

    def __init__(self, table: ItemTable, request: SlateRequest, rules: Rules, masks: Masks, now_us: int) -> None:
        """Ask all filters.

        Raises:
            UnknownCategory: the request names a category in which no item was ever seen.
            BadFilter: its filter is none.
        """
        self._each: list[tuple[str, Flags]] = []
        """Each rule, in words, with the rows that it allows."""
        if request.category is not None:
            if not table.has_category(request.category):
                raise UnknownCategory(request.category)
            here = np.zeros(len(table.ids), bool)
            here[table.in_category(request.category)] = True
            self._each.append(("outside of the category", here))
        for rule, each in _named_filters(request, rules):
            self._each.append((rule, masks.allowed(each, now_us)))
        if request.surface is Surface.RANK:
            here = np.zeros(len(table.ids), bool)
            here[table.rows_of(request.items)] = True
            self._each.append(("not among the items to rank", here))
        allowed = [each for _, each in self._each]
        self.flags: Flags | None = reduce(np.logical_and, allowed) if allowed else None
        """None where all rows may be shown."""

    def reason(self, row: int) -> str | None:
        """Return in words the first rule that keeps a row out; None where it may be shown."""
        return next((rule for rule, allowed in self._each if not allowed[row]), None)


def _named_filters(request: SlateRequest, rules: Rules) -> Iterator[tuple[str, Filter]]:
    """Yield all filters, each with what it is called."""
    own = ["filter of the surface"] if rules.surface.filter else []
    own += ["filter of the request"] if request.filter else []
    for place, each in enumerate(rules.filters(request.filter, request.age)):
        yield own[place] if place < len(own) else "limit of age", each


def barred(
    table: ItemTable,
    request: SlateRequest,
    rules: Rules,
    wishes: Interest,
    hidden: Iterable[str],
    anchor: int | None,
    now_us: int,
) -> dict[int, str]:
    """Return the rows that are not shown to this shopper, each with the rule that says so."""
    found: dict[int, str] = {}

    def bar(items: Iterable[str], rule: str) -> None:
        for row in table.rows_of(items):
            found.setdefault(row, rule)

    bar(request.exclude, "excluded by the request")
    bar(hidden, "hidden by the shopper")
    exclude = rules.surface.exclude
    if exclude.cart:
        bar(wishes.cart, "in the cart")
    if exclude.bought_days:
        since_ms = now_us / 1_000 - exclude.bought_days * _DAY_MS
        bar((item for item, bought in wishes.bought.items() if bought.last_at_ms >= since_ms), "bought")
    if exclude.seen:
        bar(wishes.looked, "seen")
    if anchor is not None:
        found.setdefault(anchor, "the item that was asked about")
    return found


def boosted(ranking: Ranking, campaigns: Iterable[Campaign], masks: Masks, now_us: int) -> Ranking:
    """Return the ranking with the scores of the campaigns' items multiplied."""
    factors = np.ones(len(ranking.rows))
    for campaign in campaigns:
        for boost in campaign.boosts:
            factors[_rows_of(boost, masks, now_us)[ranking.rows]] *= boost.factor
    if (factors == 1.0).all():
        return ranking
    scores = ranking.scores * factors
    order = np.argsort(-scores, kind="stable")
    return Ranking(ranking.rows[order], scores[order], ranking.sources[order])


def _rows_of(boost: Boost, masks: Masks, now_us: int) -> Flags:
    return masks.allowed(parse_filter(boost.filter), now_us)


class Boosts:
    """In words, which boosts an item has."""

    def __init__(self, campaigns: Iterable[Campaign], masks: Masks, now_us: int) -> None:
        self._each = [
            (f"boosted by {boost.factor:g}: campaign {campaign.name}", _rows_of(boost, masks, now_us))
            for campaign in campaigns
            for boost in campaign.boosts
        ]

    def of(self, row: int) -> list[str]:
        """Return those of a row."""
        return [words for words, allowed in self._each if allowed[row]]


def with_pins(
    table: ItemTable,
    items: list[SlateItem],
    n: int,
    campaigns: Iterable[Campaign],
    flags: Flags | None,
    kept_off: dict[int, str],
) -> list[SlateItem]:
    """Put pinned items that may be shown at their positions; of two campaigns' pins at one the first counts."""
    places: dict[int, int] = {}
    for campaign in campaigns:
        for pin in campaign.pins:
            row = table.row_of(pin.item_id)
            if row is None or row in kept_off or not table.available[row] or (flags is not None and not flags[row]):
                continue
            if pin.position < n and row not in places.values():
                places.setdefault(pin.position, row)
    if not places:
        return items
    rows = set(places.values())
    scores = {entry.row: entry.score for entry in items}
    others = [entry for entry in items if entry.row not in rows]
    for position, row in sorted(places.items()):
        others.insert(min(position, len(others)), SlateItem(row, scores.get(row, 0.0), "pinned"))
    return others[:n]

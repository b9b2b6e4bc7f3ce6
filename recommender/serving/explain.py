"""Why each item of a slate is where it is."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from recommender.model.ranker import Ranker
from recommender.serving.candidates import Candidates
from recommender.serving.filters import Masks
from recommender.serving.item_table import ItemTable
from recommender.serving.matrix import Matrix
from recommender.serving.ports import Rows
from recommender.serving.ranking import Ranking
from recommender.serving.request import Explanation, Slate, SlateItem, SourceScore
from recommender.serving.rules import Boosts, Inside
from recommender.serving.surfaces import Rules

MOST_PARTS = 12
"""So many features are named of each item, those that move its score most [count]."""
MOST_EXPLAINED = 100
"""So many items of a slate are explained, the first ones [count]."""


class Reasons:
    """What a slate was made of, kept to explain it."""

    def __init__(
        self,
        table: ItemTable,
        candidates: Sequence[Candidates],
        ranking: Ranking,
        matrix: Matrix | None,
        ranker: Ranker | None,
        rules: Rules,
        masks: Masks,
        now_us: int,
    ) -> None:
        self._table = table
        self._candidates = [some for some in candidates if len(some.rows)]
        self._proposed = [_places(some.rows) for some in self._candidates]
        self._places = _places(ranking.rows)
        """Row to its place in the ranking."""
        self._matrix = matrix
        self._ranker = ranker
        self._rules = rules
        self._boosts = Boosts(rules.campaigns, masks, now_us)

    def added_to(self, slate: Slate, off: Mapping[int, str], inside: Inside) -> Slate:
        """Return the slate with its explanations."""
        explained = slate.items[:MOST_EXPLAINED]
        parts = self._parts(explained)
        fresh = self._in_new_places(slate.items, off)
        overtaken = self._overtaken(explained, fresh)
        explanations: list[Explanation | None] = []
        for entry, behind in zip(explained, overtaken, strict=True):
            base, named, others, seen = parts.get(entry.row, _NO_PARTS)
            sources = self._sources(entry.row)
            rules = self._rules_of(entry, entry.row in fresh, behind)
            explanations.append(Explanation(self._ranker_of(entry), sources, base, named, others, seen, rules))
        explanations += [None] * (len(slate.items) - len(explained))
        return msgspec.structs.replace(slate, explanations=explanations, left_out=self._left_out(off, inside))

    def _ranker_of(self, entry: SlateItem) -> str:
        if entry.source == "pinned":
            return "pin"
        if entry.row not in self._places:
            return "demand" if entry.source == "trending" else "given"
        return "learned" if self._ranker is not None else "weights"

    def _sources(self, row: int) -> list[SourceScore]:
        found = []
        weights = self._rules.surface.weights
        for some, places in zip(self._candidates, self._proposed, strict=True):
            place = places.get(row)
            if place is None:
                continue
            score, highest = float(some.scores[place]), float(some.scores.max())
            share = score / highest if highest > 0 else score
            points = None if self._ranker is not None else share * weights.get(some.source, 0.0)
            found.append(SourceScore(some.source, score, share, int((some.scores > score).sum()), points))
        return found

    def _parts(self, items: Sequence[SlateItem]) -> dict[int, _Parts]:
        """Return of each ranked row what adds up to its log odds, and the values of the features."""
        if self._matrix is None or self._ranker is None or not len(self._matrix.rows):
            return {}
        rows = np.array([entry.row for entry in items], np.intp)
        places = np.minimum(np.searchsorted(self._matrix.rows, rows), len(self._matrix.rows) - 1)
        here = self._matrix.rows[places] == rows
        if not here.any():
            return {}
        values = self._matrix.values[places[here]]
        contributions, base = self._ranker.contributions(values)
        base = round(base, 4)
        names = self._ranker.features
        found = {}
        for row, added, seen in zip(rows[here].tolist(), contributions, values, strict=True):
            most = np.argsort(-np.abs(added), kind="stable")
            named = {names[place]: round(float(added[place]), 4) for place in most[:MOST_PARTS] if added[place]}
            others = round(float(added[most[MOST_PARTS:]].sum()), 4)
            known = np.flatnonzero(np.isfinite(seen)).tolist()
            found[row] = _Parts(base, named, others, {names[place]: round(float(seen[place]), 4) for place in known})
        return found

    def _rules_of(self, entry: SlateItem, is_fresh: bool, overtaken: int) -> list[str]:
        found = self._boosts.of(entry.row)
        if entry.source == "pinned":
            found += [
                f"pinned at {pin.position}: campaign {campaign.name}"
                for campaign in self._rules.campaigns
                for pin in campaign.pins
                if self._table.row_of(pin.item_id) == entry.row
            ]
        if is_fresh:
            found.append("in a place kept for new items")
        if entry.source == "trending" and entry.row not in self._places:
            found.append("fills the slate by demand")
        if overtaken:
            found.append(f"behind {overtaken} of lower score, by the limits of category and brand")
        return found

    def _in_new_places(self, items: Sequence[SlateItem], off: Mapping[int, str]) -> set[int]:
        """Return the rows in the last places that would not be there by the ranking."""
        ranked = [row for row in self._places if self._table.available[row] and row not in off][: len(items)]
        by_merit = set(ranked)
        found: set[int] = set()
        for entry in reversed(items):
            if entry.source == "pinned":
                continue
            if entry.source != "new" or entry.row in by_merit:
                break
            found.add(entry.row)
        return found

    def _overtaken(self, items: Sequence[SlateItem], fresh: set[int]) -> list[int]:
        """Return for each item how many before it the ranking has behind it, but for pins and new items' places."""
        before: list[int] = []
        found = []
        for entry in items:
            place = self._places.get(entry.row)
            if place is None or entry.source == "pinned" or entry.row in fresh:
                found.append(0)
                continue
            found.append(len(before) - bisect_right(before, place))
            insort(before, place)
        return found

    def _left_out(self, off: Mapping[int, str], inside: Inside) -> dict[str, int]:
        """Return how many of the candidates each rule has left out."""
        counts: Counter[str] = Counter()
        for row in {row for places in self._proposed for row in places}:
            rule = "unavailable" if not self._table.available[row] else inside.reason(row) or off.get(row)
            if rule is not None:
                counts[rule] += 1
        return dict(counts)


class _Parts(NamedTuple):
    """What adds up to an item's log odds, and the values of its features."""

    base: float | None
    named: Mapping[str, float]
    others: float | None
    seen: Mapping[str, float]


_NO_PARTS = _Parts(None, {}, None, {})


def _places(rows: Rows) -> dict[int, int]:
    return {row: place for place, row in enumerate(rows.tolist())}

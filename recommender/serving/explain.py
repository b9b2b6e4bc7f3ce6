"""Why each item of a slate is where it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from recommender.model.ranker import Ranker
from recommender.serving.candidates import Candidates
from recommender.serving.filters import Masks
from recommender.serving.item_table import ItemTable
from recommender.serving.matrix import Matrix
from recommender.serving.ranking import Ranking
from recommender.serving.request import Explanation, Slate, SlateItem, SourceScore
from recommender.serving.rules import Inside, boosts_of
from recommender.serving.surfaces import Rules

MOST_PARTS = 12
"""So many features are named of each item, those that move its score most [count]."""


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
        self._ranking = ranking
        self._matrix = matrix
        self._ranker = ranker
        self._rules = rules
        self._masks = masks
        self._now_us = now_us

    def added_to(self, slate: Slate, off: Mapping[int, str], inside: Inside) -> Slate:
        """Return the slate with its explanations."""
        parts = self._parts(slate.items)
        explanations = [
            Explanation(
                self._ranker_of(entry),
                self._sources(entry.row),
                *parts.get(entry.row, ({}, {})),
                self._rules_of(position, entry, slate.items),
            )
            for position, entry in enumerate(slate.items)
        ]
        return Slate(slate.items, slate.model_version, slate.fallback, explanations, self._left_out(off, inside))

    def _ranker_of(self, entry: SlateItem) -> str:
        if entry.source == "pinned":
            return "pin"
        if entry.row not in self._ranking.rows:
            return "demand" if entry.source == "trending" else "given"
        return "learned" if self._ranker is not None else "weights"

    def _sources(self, row: int) -> list[SourceScore]:
        found = []
        weights = self._rules.surface.weights
        for some in self._candidates:
            places = np.flatnonzero(some.rows == row)
            if not len(places):
                continue
            score, highest = float(some.scores[places[0]]), float(some.scores.max())
            share = score / highest if highest > 0 else score
            points = None if self._ranker is not None else share * weights.get(some.source, 0.0)
            found.append(SourceScore(some.source, score, share, int((some.scores > score).sum()), points))
        return found

    def _parts(self, items: Sequence[SlateItem]) -> dict[int, tuple[dict[str, float], dict[str, float]]]:
        """Return for each ranked row what each feature adds to its log odds, and the values of the features."""
        if self._matrix is None or self._ranker is None or not len(self._matrix.rows):
            return {}
        rows = np.array([entry.row for entry in items], np.intp)
        places = np.minimum(np.searchsorted(self._matrix.rows, rows), len(self._matrix.rows) - 1)
        here = self._matrix.rows[places] == rows
        if not here.any():
            return {}
        values = self._matrix.values[places[here]]
        found = {}
        for row, added, seen in zip(rows[here].tolist(), self._ranker.contributions(values), values, strict=True):
            most = np.argsort(-np.abs(added), kind="stable")[:MOST_PARTS]
            names = self._ranker.features
            found[row] = (
                {names[place]: round(float(added[place]), 4) for place in most if added[place]},
                {name: round(float(value), 4) for name, value in zip(names, seen, strict=True) if np.isfinite(value)},
            )
        return found

    def _rules_of(self, position: int, entry: SlateItem, items: Sequence[SlateItem]) -> list[str]:
        rules, now_us = self._rules, self._now_us
        found = boosts_of(entry.row, rules.campaigns, self._masks, now_us)
        if entry.source == "pinned":
            found += [
                f"pinned at {pin.position}: campaign {campaign.name}"
                for campaign in rules.campaigns
                for pin in campaign.pins
                if self._table.row_of(pin.item_id) == entry.row
            ]
        if entry.source == "new" and entry.row not in self._ranking.rows[: len(items)]:
            found.append("in a place kept for new items")
        if entry.source == "trending" and entry.row not in self._ranking.rows:
            found.append("fills the slate by demand")
        place = self._place(entry.row)
        overtaken = sum(place < self._place(other.row) < len(self._ranking.rows) for other in items[:position])
        if overtaken:
            found.append(f"behind {overtaken} of lower score, by the limits of category and brand")
        return found

    def _place(self, row: int) -> int:
        places = np.flatnonzero(self._ranking.rows == row)
        return int(places[0]) if len(places) else len(self._ranking.rows)

    def _left_out(self, off: Mapping[int, str], inside: Inside) -> dict[str, int]:
        """Return how many of the candidates each rule has left out."""
        counts: Counter[str] = Counter()
        for row in {row for some in self._candidates for row in some.rows.tolist()}:
            if not self._table.available[row]:
                counts["unavailable"] += 1
            elif inside.flags is not None and not inside.flags[row]:
                counts["outside of the filters"] += 1
            elif row in off:
                counts[off[row]] += 1
        return dict(counts)

"""Which items speak of a word: titles, categories, brands and tags, for the search surface."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from recommender.model.description import tokens
from recommender.serving.ports import Rows, Scores


class TextIndex:
    """Words of items, both ways."""

    def __init__(self) -> None:
        self._rows_of: dict[str, dict[int, None]] = {}
        self._words_of: dict[int, list[str]] = {}

    def put(self, row: int, texts: Iterable[str]) -> None:
        """Replace the words of an item."""
        for word in self._words_of.get(row, ()):
            self._rows_of[word].pop(row, None)
        words = self._words_of[row] = tokens(" ".join(texts))
        for word in words:
            self._rows_of.setdefault(word, {})[row] = None

    def match(self, query: str) -> tuple[Rows, Scores]:
        """Return the rows that share words with the query, and for each the share of the query's weight it covers.

        A word weighs by its rarity: ``log(1 + items / items with the word)``.
        """
        found: dict[int, float] = {}
        whole = 0.0
        for word in tokens(query):
            rows = self._rows_of.get(word, {})
            weight = math.log1p(max(len(self._words_of), 1) / max(len(rows), 1))
            whole += weight
            for row in rows:
                found[row] = found.get(row, 0.0) + weight
        matched = np.fromiter(found, np.intp, len(found))
        return matched, np.fromiter(found.values(), np.float64, len(found)) / (whole or 1.0)

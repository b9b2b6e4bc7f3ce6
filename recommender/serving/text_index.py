"""Which items speak of a word: titles, categories, brands and tags, for the search surface."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from recommender.model.description import tokens
from recommender.serving.ports import Rows, Scores
from recommender.serving.row_set import RowSet

_MOST_WORDS = 16
"""Of a query; further ones are of no regard [count]."""
_NO_ROWS: Rows = np.empty(0, np.intp)


class TextIndex:
    """Words of items, both ways."""

    def __init__(self) -> None:
        self._rows_of: dict[str, RowSet] = {}
        self._words_of: dict[int, list[str]] = {}
        self._size = 0

    def put(self, row: int, texts: Iterable[str]) -> None:
        """Replace the words of an item."""
        before = self._words_of.get(row, [])
        words = self._words_of[row] = tokens(" ".join(texts))
        self._size = max(self._size, row + 1)
        if words == before:
            return
        for word in before:
            self._rows_of[word].discard(row)
        for word in words:
            listed = self._rows_of.get(word)
            if listed is None:
                listed = self._rows_of[word] = RowSet()
            listed.add(row)

    def match(self, query: str) -> tuple[Rows, Scores]:
        """Return the rows that share words with the query, and for each the share of the query's weight it covers.

        A word weighs by its rarity: ``log(1 + items / items with the word)``. Rows are ascending.
        """
        found = [
            listed.rows() if (listed := self._rows_of.get(word)) is not None else _NO_ROWS
            for word in tokens(query)[:_MOST_WORDS]
        ]
        items = max(len(self._words_of), 1)
        weights = [math.log1p(items / max(len(rows), 1)) for rows in found]
        whole = sum(weights) or 1.0
        if sum(map(len, found)) < self._size >> 3:
            together = np.concatenate([_NO_ROWS, *found])
            matched, place = np.unique(together, return_inverse=True)
            shares = np.repeat(weights, [len(rows) for rows in found]) if found else np.empty(0)
            return matched, np.bincount(place, shares, len(matched)) / whole
        scores = np.zeros(self._size)
        for rows, weight in zip(found, weights, strict=True):
            scores[rows] += weight
        matched = np.flatnonzero(scores)
        return matched, scores[matched] / whole

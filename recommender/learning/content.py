"""What items are described by, as rows of a sparse matrix that grows and changes row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from recommender.learning.embeddings import Rows
from recommender.model.links import Links

_FIRST_ENTRIES = 8_192
_FIRST_ITEMS = 1_024


class ItemContent:
    """Feature numbers and weights of each item.

    A row that is described anew is appended, and its old entries are waste, until half of all are.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.item_ids: list[str] = []
        """Items by number."""
        self._columns = np.zeros(_FIRST_ENTRIES, np.int32)
        self._weights = np.zeros(_FIRST_ENTRIES, np.float32)
        self._used = 0
        self._starts = np.zeros(_FIRST_ITEMS, np.int64)
        self._lengths = np.zeros(_FIRST_ITEMS, np.int64)

    def __len__(self) -> int:
        """Return how many items are described."""
        return len(self.item_ids)

    def find(self, item_id: str) -> int:
        """Return an item's number, or -1."""
        return self._numbers.get(item_id, -1)

    def put(self, item_id: str, columns: list[int], weights: list[float]) -> int:
        """Describe an item, perhaps anew, and return its number."""
        number = self._numbers.get(item_id)
        if number is None:
            number = self._numbers[item_id] = len(self.item_ids)
            self.item_ids.append(item_id)
            if number == len(self._starts):
                self._starts = np.concatenate([self._starts, np.zeros_like(self._starts)])
                self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        length = len(columns)
        self._lengths[number] = 0
        self._reserve(length)
        self._columns[self._used : self._used + length] = columns
        self._weights[self._used : self._used + length] = weights
        self._starts[number], self._lengths[number] = self._used, length
        self._used += length
        return number

    def put_all(self, item_ids: Sequence[str], content: Links) -> None:
        """Describe the first items, by a model's own numbers of features."""
        self.item_ids = list(item_ids)
        self._numbers = {item_id: number for number, item_id in enumerate(item_ids)}
        room = max(len(item_ids), _FIRST_ITEMS)
        self._starts, self._lengths = np.zeros(room, np.int64), np.zeros(room, np.int64)
        self._starts[: len(item_ids)] = content.starts[:-1]
        self._lengths[: len(item_ids)] = np.diff(content.starts)
        self._columns, self._weights = content.items.copy(), content.weights.copy()
        self._used = len(self._columns)

    def features(self, number: int) -> list[int]:
        """Return the feature numbers of one item."""
        start = self._starts[number]
        found: list[int] = self._columns[start : start + self._lengths[number]].tolist()
        return found

    def matrix(self, numbers: Rows, columns: int) -> Any:
        """Return the rows of these items as scipy.sparse.csr_matrix float32 of shape [len(numbers), columns]."""
        lengths = self._lengths[numbers]
        ends = np.concatenate([[0], np.cumsum(lengths)])
        places = np.arange(ends[-1]) + np.repeat(self._starts[numbers] - ends[:-1], lengths)
        return sp.csr_matrix((self._weights[places], self._columns[places], ends), shape=(len(numbers), columns))

    def _reserve(self, entries: int) -> None:
        if self._used + entries <= len(self._columns):
            return
        count = len(self)
        lengths = self._lengths[:count]
        if 2 * int(lengths.sum()) < self._used:
            packed = self.matrix(np.arange(count), int(self._columns.max()) + 1)
            self._used = packed.nnz
            self._columns[: self._used], self._weights[: self._used] = packed.indices, packed.data
            self._starts[:count] = packed.indptr[:-1]
        while self._used + entries > len(self._columns):
            more = max(len(self._columns), _FIRST_ENTRIES)
            self._columns = np.concatenate([self._columns, np.zeros(more, np.int32)])
            self._weights = np.concatenate([self._weights, np.zeros(more, np.float32)])

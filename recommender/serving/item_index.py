"""An index of a model's vectors, which finds the items of highest score without asking all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow  # noqa: F401 - to be loaded before usearch: loaded after it, it ends the process where it reads times
from usearch.index import Index

from recommender.serving.ports import Floats, Rows

NEIGHBOURS = 16
"""Links of each item in the graph [count]."""
BREADTH_OF_BUILD = 128
BREADTH_OF_SEARCH = 800
"""Items kept in view while the graph is walked: more find more and take longer [count]."""
_LARGE = 500_000
"""Beyond so many items twice that breadth is needed to find as many of them [count]."""
_AT_ONCE = 500
_ALIKE = 0.95
"""Mean cosine between the vectors of two models from which on the index of one serves for the other."""
_SAMPLED = 512
"""Rows by which that is judged [count]."""

Precision = Literal["f32", "f16"]


class ItemIndex:
    """Rows by nearness, in a graph of small worlds.

    The highest product with a shopper's vector is looked for as the nearest point: the bias is one more dimension, 1
    in a shopper's vector, and what an item's vector lacks of the length of the longest one is another, 0 in a
    shopper's. Then the nearest in the Euclidean sense have the highest scores. A graph of products themselves is as
    quick, and misses a third of what it should find.

    Source: Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product
    spaces", RecSys 2014; Malkov, Yashunin, "Efficient and robust approximate nearest neighbor search using
    hierarchical navigable small world graphs", IEEE TPAMI 2020.
    """

    def __init__(self, dimensions: int, precision: Precision = "f16") -> None:
        self._index = Index(
            ndim=dimensions + 2,
            metric="l2sq",
            dtype=precision,
            connectivity=NEIGHBOURS,
            expansion_add=BREADTH_OF_BUILD,
            expansion_search=BREADTH_OF_SEARCH,
        )
        self._sample: Rows = np.empty(0, np.intp)
        self._sampled: Floats = np.empty((0, dimensions), np.float32)

    def build(
        self,
        rows: Rows,
        matrix: Floats,
        biases: Floats,
        *,
        threads: int = 1,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Add rows of a matrix. It computes outside the interpreter; made for a thread beside the event loop.

        Args:
            rows: which; those added are found by these numbers.
            matrix: np.float32 array of shape [n, dimensions].
            biases: np.float32 array of shape [n].
            threads: of the processor.
            is_cancelled: asked again and again.

        Returns:
            Whether all were added.
        """
        squares = np.einsum("ij,ij->i", matrix, matrix) + biases * biases
        self._sample = rows[:: max(1, len(rows) // _SAMPLED)]
        self._sampled = matrix[self._sample]
        longest = float(squares[rows].max(initial=0.0))
        for start in range(0, len(rows), _AT_ONCE):
            if is_cancelled():
                return False
            some = rows[start : start + _AT_ONCE]
            lacking = np.sqrt(np.maximum(longest - squares[some], 0.0))
            points = np.column_stack([matrix[some], biases[some], lacking]).astype(np.float32)
            self._index.add(some.astype(np.uint64), points, threads=threads)
        return True

    def suits(self, matrix: Floats) -> bool:
        """Tell whether rows lie as they did when the index was made, by the mean cosine of some of them."""
        rows, then = self._sample, self._sampled
        if len(rows) == 0 or int(rows.max()) >= len(matrix) or then.shape[1] != matrix.shape[1]:
            return False
        now = matrix[rows]
        lengths = np.linalg.norm(now, axis=1) * np.linalg.norm(then, axis=1)
        cosines = np.einsum("ij,ij->i", now, then) / np.where(lengths > 0.0, lengths, 1.0)
        return float(cosines.mean()) > _ALIKE

    def search(self, vector: Floats, most: int, breadth: int | None = None) -> Rows:
        """Return the rows of highest score, nearly all of them, in no order that can be relied on."""
        if breadth is None:
            breadth = BREADTH_OF_SEARCH * (1 if len(self) <= _LARGE else 2)
        self._index.expansion_search = max(breadth, most)  # type: ignore[misc]  # it has a setter
        point = np.concatenate([vector, [1.0, 0.0]]).astype(np.float32)
        found: npt.NDArray[np.uint64] = self._index.search(point, most, threads=1).keys
        return found.astype(np.intp)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """What it takes beside the matrix."""
        return int(self._index.memory_usage)

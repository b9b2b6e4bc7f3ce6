"""A model's vectors in cells of neighbours, so that the items of highest score are found without asking all of them.

The cells are those of k-means, and only those are asked whose items may score highest. For that, vectors are looked at
as nearest-neighbour searches need them: the bias is one more dimension, 1 in a shopper's vector, and what an item's
vector lacks of the length of the longest one is another, 0 in a shopper's; then the nearest in the Euclidean sense have
the highest products. Items of a cell lie side by side in memory.

Source: Jégou, Douze, Schmid, "Product quantization for nearest neighbor search", IEEE TPAMI 2011 (the inverted file);
Bachrach et al., "Speeding up the Xbox recommender system using a Euclidean transformation for inner-product spaces",
RecSys 2014.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.model.sums import places_of
from recommender.serving.ports import Floats, Rows

CELLS_FROM = 30_000
"""Items from which on there is more than one cell: asking fewer is as quick, and exact [count]."""
_REACH = 12
"""Times the square root of the number of items: so many are asked [count]."""
_SAMPLED = 40
"""Items of each cell, on average, by which their middles are found [count]."""
_ROUNDS = 8
_AT_ONCE = 1_024
Places = npt.NDArray[np.intp]


class Cells(NamedTuple):
    """Items that a model knows, each at a place; those of a cell at places side by side."""

    points: Floats
    """float32 [n, dimensions + 1], vectors and biases."""
    lengths: Floats
    """float32 [n], of the vectors."""
    numbers: npt.NDArray[np.int32]
    """int32 [n], the model's number of the item at each place."""
    place_of: npt.NDArray[np.int32]
    """int32 [n_items], the place of each number; -1 where the model knows nothing of the item."""
    starts: npt.NDArray[np.int64]
    """int64 [n_cells + 1], where each cell begins."""
    middles: Floats
    """float32 [n_cells, dimensions + 1]"""
    spreads: Floats
    """float32 [n_cells], how far items lie from the middle, in each dimension."""

    @property
    def reach(self) -> int:
        """How many items are asked, at least, to find nearly all of the best 100."""
        return int(_REACH * math.sqrt(len(self.points)))

    def promising(self, point: Floats, most: int) -> npt.NDArray[np.intp]:
        """Return the cells, ascending, whose items may have the highest products with a point: ``most`` items or more.

        Args:
            point: float32 [dimensions + 1].
            most: fewer only where there are no more.
        """
        hopes = self.middles @ point
        hopes += self.spreads * np.float32(np.linalg.norm(point))
        return self._first(hopes, most)

    def like(self, direction: Floats, most: int) -> npt.NDArray[np.intp]:
        """Return the cells, ascending, whose middles lie most in a direction: ``most`` items or more."""
        middles = self.middles[:, :-1]
        lengths = np.sqrt(np.einsum("ij,ij->i", middles, middles))
        lengths[lengths == 0.0] = 1.0
        return self._first(middles @ direction / lengths, most)

    def _first(self, hopes: Floats, most: int) -> npt.NDArray[np.intp]:
        order = (-hopes).argsort()
        reached = (self.starts[1:] - self.starts[:-1])[order].cumsum()
        return np.sort(order[: int(reached.searchsorted(most)) + 1])

    def ask(self, point: Floats, cells: npt.NDArray[np.intp]) -> Floats:
        """Return the products of a point with all items of some cells, one cell after the other."""
        starts = self.starts
        width = len(point)
        begins, ends = starts[cells].tolist(), starts[cells + 1].tolist()
        found = np.empty(sum(ends) - sum(begins), np.float32)
        at = 0
        for begin, end in zip(begins, ends, strict=True):
            np.matmul(self.points[begin:end, :width], point, out=found[at : at + end - begin])
            at += end - begin
        return found

    def lengths_of(self, cells: npt.NDArray[np.intp]) -> Floats:
        """Return the lengths of all items of some cells, one cell after the other."""
        begins, ends = self.starts[cells].tolist(), self.starts[cells + 1].tolist()
        return np.concatenate([self.lengths[begin:end] for begin, end in zip(begins, ends, strict=True)])

    def places(self, cells: npt.NDArray[np.intp], positions: Places | None = None) -> Places:
        """Return the places of what was asked of some cells: of all, or at some positions of the answer."""
        begins = self.starts[cells]
        lengths = self.starts[cells + 1] - begins
        if positions is None:
            return places_of(begins, lengths)
        ends = lengths.cumsum()
        ahead = begins - ends + lengths
        found: Places = positions + ahead[ends.searchsorted(positions, side="right")]
        return found


def make_cells(vectors: Floats, biases: Floats, count: int = 1) -> Cells:
    """Put a model's vectors in cells. It computes outside the interpreter; made for a thread beside the event loop.

    Args:
        vectors: float32 [n_items, dimensions]; of an item with zeros alone the model knows nothing.
        biases: float32 [n_items].
        count: of cells; with one, all items are always asked.
    """
    known = np.flatnonzero(vectors.any(axis=1))
    points = np.column_stack([vectors[known], biases[known]]).astype(np.float32, copy=False)
    count = max(1, min(count, len(known)))
    if count == 1:
        numbers, cell = known, np.zeros(len(known), np.intp)
    else:
        cell = _assigned(points, count)
        order = np.argsort(cell, kind="stable")
        numbers, cell, points = known[order], cell[order], points[order]
    place_of = np.full(len(vectors), -1, np.int32)
    place_of[numbers] = np.arange(len(numbers), dtype=np.int32)
    starts = np.searchsorted(cell, np.arange(count + 1)).astype(np.int64)
    middles, spreads = _shape(points, starts)
    lengths = np.sqrt(np.einsum("ij,ij->i", points[:, :-1], points[:, :-1]))
    return Cells(points, lengths, numbers.astype(np.int32), place_of, starts, middles, spreads)


def cells_for(items: int) -> int:
    """Return how many cells so many items are put in."""
    return math.isqrt(items) if items >= CELLS_FROM else 1


def _assigned(points: Floats, count: int) -> Rows:
    """Return the cell of each point."""
    squares = np.einsum("ij,ij->i", points, points)
    lacking = np.sqrt(np.maximum(squares.max() - squares, 0.0))
    rng = np.random.default_rng(0)
    some = np.sort(rng.permutation(len(points))[: count * _SAMPLED])
    sample = np.column_stack([points[some], lacking[some]])
    middles = sample[np.sort(rng.permutation(len(sample))[:count])]
    for _ in range(_ROUNDS):
        cell = _nearest(sample, middles)
        order = np.argsort(cell, kind="stable")
        begins = np.flatnonzero(np.diff(cell[order], prepend=-1))
        sums = np.add.reduceat(sample[order], begins, axis=0)
        middles = sample[rng.integers(len(sample), size=count)]  # for those that nothing is near to
        middles[cell[order][begins]] = sums / np.diff(begins, append=len(cell))[:, None]
    return _nearest(np.column_stack([points, lacking]), middles)


def _nearest(points: Floats, middles: Floats) -> Rows:
    halves = np.einsum("ij,ij->i", middles, middles) / 2
    found = np.empty(len(points), np.intp)
    for start in range(0, len(points), _AT_ONCE):
        products = points[start : start + _AT_ONCE] @ middles.T
        products -= halves
        found[start : start + _AT_ONCE] = products.argmax(axis=1)
    return found


def _shape(points: Floats, starts: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the middle of each cell and how far, in each dimension, its points lie from it."""
    middles = np.zeros((len(starts) - 1, points.shape[1]), np.float32)
    spreads = np.zeros(len(starts) - 1, np.float32)
    for cell, (begin, end) in enumerate(zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)):
        if end > begin:
            middles[cell] = points[begin:end].mean(axis=0)
            spreads[cell] = points[begin:end].std(axis=0).mean()
    return middles, spreads

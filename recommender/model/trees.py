"""All trees of a ranker asked at once, for all candidates.

LightGBM goes from node to node, for each candidate through each tree. Here a tree is a word of bits, one for each leaf,
the leftmost the lowest. A condition that does not hold takes away all leaves on its left, so of what is left of a tree
after all conditions the lowest bit is the leaf that a candidate comes to. What the conditions on one feature take away,
of all trees, is known beforehand for each interval between their thresholds; a value is looked up by its interval.

Source: Lucchese et al., "QuickScorer: A Fast Algorithm to Rank Documents with Additive Ensembles of Regression Trees",
SIGIR 2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]

MOST_LEAVES = 16
"""Leaves of a tree: a word's bits [count]."""
_WORDS_TOGETHER = 4
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_NO_MISSING, _MISSING_NAN = 0, 2
_ALL = ~np.uint64(0)
_ZERO = float(np.float32(1e-35))


class UnsuitableTrees(ValueError):
    """Trees of a kind, or a size, that is left to LightGBM."""


class _Condition(NamedTuple):
    threshold: float
    """What is greater goes right."""
    unknown_right: bool
    tree: int
    left: int
    """Bits of the leaves on the left."""


class _Feature(NamedTuple):
    column: int
    thresholds: Floats
    """float32 [k + 1], ascending, the last one infinite: beyond it lies what is unknown."""
    words: Words
    """uint64 [k + 2, words], what is left of all trees in each interval."""

    def left(self, values: Floats) -> npt.NDArray[np.intp]:
        """Return the interval of each value; what is unknown comes after all numbers."""
        return self.thresholds.searchsorted(values)


class Trees:
    """Trees that are added up.

    Args:
        texts: what LightGBM wrote of each fit.

    Raises:
        UnsuitableTrees: they have too many leaves, or conditions of another kind than those of numbers.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        leaves: list[list[float]] = []
        conditions: dict[int, list[_Condition]] = {}
        for tree in (tree for text in texts for tree in _trees(text)):
            values = _numbers(tree, "leaf_value", float)
            if len(values) > MOST_LEAVES or int(tree.get("num_cat", 0)) or int(tree.get("is_linear", 0)):
                raise UnsuitableTrees("trees: must have few leaves and conditions on numbers alone")
            for column, condition in _conditions(tree, len(leaves)):
                conditions.setdefault(column, []).append(condition)
            order = _in_order(_numbers(tree, "left_child", int), _numbers(tree, "right_child", int))
            leaves.append([values[leaf] for leaf in order])
        self._trees = len(leaves)
        table = np.zeros((len(leaves), MOST_LEAVES))
        for number, values in enumerate(leaves):
            table[number, : len(values)] = values
        self._values = table.ravel()
        self._first_leaf = np.arange(len(leaves)) * MOST_LEAVES
        self._width = -(-len(leaves) // _WORDS_TOGETHER)
        self._features = [_feature(column, found, self._width) for column, found in sorted(conditions.items())]

    def sums(self, candidates: Floats) -> npt.NDArray[np.float64]:
        """Return the sum of the trees for each candidate.

        Args:
            candidates: float32 [n, n_features].
        """
        columns = np.ascontiguousarray(candidates.T)
        unknowns = np.count_nonzero(np.isnan(columns), axis=1).tolist()
        same = (columns == columns[:, :1]).all(axis=1).tolist()
        everywhere = np.full(self._width, _ALL)
        words: Words | None = None
        found = np.empty((len(candidates), self._width), np.uint64)
        for feature in self._features:
            column = feature.column
            if unknowns[column] == len(candidates):
                everywhere &= feature.words[-1]
            elif same[column]:
                everywhere &= feature.words[feature.left(columns[column, :1])[0]]
            elif words is None:
                words = feature.words.take(feature.left(columns[column]), axis=0, mode="clip")
            else:
                feature.words.take(feature.left(columns[column]), axis=0, out=found, mode="clip")
                np.bitwise_and(words, found, words)
        if words is None:
            found[:] = everywhere
            return self._added_up(found)
        words &= everywhere
        return self._added_up(words)

    def _added_up(self, words: Words) -> npt.NDArray[np.float64]:
        lanes = words.view(np.uint16)
        below = ~lanes
        lanes -= np.uint16(1)
        below &= lanes  # a one for each place below the lowest bit
        leaves = np.add(np.bitwise_count(below)[:, : self._trees], self._first_leaf, dtype=np.intp)
        total: npt.NDArray[np.float64] = self._values.take(leaves, mode="clip").sum(axis=1)
        return total


def _feature(column: int, conditions: Sequence[_Condition], width: int) -> _Feature:
    distinct = sorted({condition.threshold for condition in conditions})
    lanes = np.full((len(distinct) + 2, width * _WORDS_TOGETHER), np.uint16(0xFFFF))
    place = {threshold: number for number, threshold in enumerate(distinct, 1)}
    for condition in conditions:
        kept = np.uint16(0xFFFF & ~condition.left)
        lanes[place[condition.threshold] : len(distinct) + 1, condition.tree] &= kept
        if condition.unknown_right:
            lanes[-1, condition.tree] &= kept
    # Of float32 values the same ones are above a threshold as above the float32 next below it.
    exact = np.array([*distinct, np.inf])
    with np.errstate(over="ignore"):  # beyond all float32, as where infinite values are told apart: infinite
        thresholds = exact.astype(np.float32)
    above = thresholds > exact
    thresholds[above] = np.nextafter(thresholds[above], np.float32(-np.inf))
    return _Feature(column, thresholds, lanes.view(np.uint64))


def _trees(text: str) -> Iterator[Mapping[str, str]]:
    """Yield what LightGBM wrote of each tree."""
    for block in text.partition("\nend of trees")[0].split("\nTree=")[1:]:
        yield dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _numbers(tree: Mapping[str, str], name: str, kind: Any) -> list[Any]:
    return [kind(number) for number in tree.get(name, "").split()]


def _conditions(tree: Mapping[str, str], number: int) -> Iterator[tuple[int, _Condition]]:
    """Yield the conditions of a tree, each with the column that it is about."""
    features, kinds = _numbers(tree, "split_feature", int), _numbers(tree, "decision_type", int)
    lefts, rights = _numbers(tree, "left_child", int), _numbers(tree, "right_child", int)
    bits = [0] * len(features)
    order = _in_order(lefts, rights)
    place = {leaf: 1 << at for at, leaf in enumerate(order)}

    def below(child: int) -> int:
        if child < 0:
            return place[~child]
        if not bits[child]:
            bits[child] = below(lefts[child]) | below(rights[child])
        return bits[child]

    for node, (column, threshold) in enumerate(zip(features, _numbers(tree, "threshold", float), strict=True)):
        if threshold == -_ZERO:  # what is so near to 0 is 0 to LightGBM, and goes right
            threshold = float(np.nextafter(threshold, -np.inf))
        missing = kinds[node] >> 2 & 3
        if kinds[node] & _CATEGORICAL or missing not in (_NO_MISSING, _MISSING_NAN):
            raise UnsuitableTrees("trees: must know values missing as NaN")
        # Where the trees were learned without one missing, LightGBM takes it for 0.
        unknown_right = threshold < 0.0 if missing == _NO_MISSING else not kinds[node] & _DEFAULT_LEFT
        yield column, _Condition(threshold, unknown_right, number, below(lefts[node]))


def _in_order(lefts: Sequence[int], rights: Sequence[int]) -> list[int]:
    """Return the leaves from the left to the right."""
    if not lefts:
        return [0]
    found: list[int] = []
    waiting = [0]
    while waiting:
        child = waiting.pop()
        if child < 0:
            found.append(~child)
        else:
            waiting += [rights[child], lefts[child]]
    return found

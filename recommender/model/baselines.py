"""What a model must beat: rankings that need no learning."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.model.dataset import TrainingSet
from recommender.model.evaluation import metrics, ranks_in_lists

_LENGTH = 20
_RECENT = "recent="

Rows = npt.NDArray[np.int64]
"""int64 [n], numbers of examples."""


def baseline_metrics(data: TrainingSet, known: Rows, asked: Rows) -> dict[str, dict[str, float]]:
    """Return the figures of each baseline on the examples ``asked``, which it knows nothing of.

    ``popularity`` ranks items by their examples, ``recent_items`` those that the shopper looked at lately, the latest
    first, and ``next_item`` those that most often came right after the latest one.
    """
    targets = data.item_numbers[asked]
    popular = [item for item, _ in Counter(data.item_numbers[known].tolist()).most_common(_LENGTH)]
    after: dict[int, Counter[int]] = defaultdict(Counter)
    for recent, target in zip(_recent_items(data, known), data.item_numbers[known].tolist(), strict=True):
        if recent:
            after[recent[0]][target] += 1
    best = {item: [other for other, _ in counts.most_common(_LENGTH)] for item, counts in after.items()}
    recent_items = _recent_items(data, asked)
    lists: dict[str, list[list[int]]] = {
        "popularity": [popular] * len(asked),
        "recent_items": recent_items,
        "next_item": [best.get(recent[0], []) if recent else [] for recent in recent_items],
    }
    return {name: metrics(ranks_in_lists(ranked, targets)) for name, ranked in lists.items()}


def _recent_items(data: TrainingSet, examples: Rows) -> list[list[int]]:
    """Return the recent items of each example's shopper, the latest first."""
    numbers = {item_id: number for number, item_id in enumerate(data.item_ids)}
    item_of = {
        column: numbers[feature.removeprefix(_RECENT)]
        for column, feature in enumerate(data.states.features)
        if feature.startswith(_RECENT) and feature.removeprefix(_RECENT) in numbers
    }
    matrix: Any = data.states.matrix
    found = []
    for state in data.state_numbers[examples].tolist():
        part = slice(matrix.indptr[state], matrix.indptr[state + 1])
        recent = [
            (weight, item_of[column])
            for column, weight in zip(matrix.indices[part].tolist(), matrix.data[part].tolist(), strict=True)
            if column in item_of
        ]
        recent.sort(key=lambda entry: -entry[0])
        found.append([item for _, item in recent])
    return found

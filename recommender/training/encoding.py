"""Descriptions as a sparse matrix, which LightFM trains on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from recommender.model.description import Description


class Encoded(NamedTuple):
    """Many descriptions."""

    features: list[str]
    matrix: Any
    """scipy.sparse.csr_matrix float32 of shape [n_descriptions, n_features]."""

    def keep(self, columns: np.ndarray[Any, np.dtype[np.int64]]) -> Encoded:
        """Return the descriptions with these features alone."""
        return Encoded([self.features[column] for column in columns], self.matrix[:, columns])


def encode(descriptions: Iterable[Description]) -> Encoded:
    """Encode descriptions; features are numbered in the order in which they first come."""
    numbers: dict[str, int] = {}
    columns, weights, ends = array("i"), array("f"), array("q", [0])
    for description in descriptions:
        for feature, weight in description.items():
            columns.append(numbers.setdefault(feature, len(numbers)))
            weights.append(weight)
        ends.append(len(columns))
    matrix = sp.csr_matrix(
        (np.frombuffer(weights, np.float32), np.frombuffer(columns, np.int32), np.frombuffer(ends, np.int64)),
        shape=(len(ends) - 1, len(numbers)),
    )
    return Encoded(list(numbers), matrix)

"""A model's vectors for the rows of the item table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.features import ItemCatalogue
from recommender.model.description import describe_item
from recommender.serving.numbering import Numbering
from recommender.serving.ports import Floats, Rows, ServableModel


class ItemVectors:
    """Vectors and biases by row; an item that the model was not trained on has those of its content alone."""

    def __init__(self, model: ServableModel) -> None:
        self.model = model
        self.numbering = Numbering(model.item_ids)
        size = model.item_vectors.shape[1]
        self._matrix = np.zeros((1024, size), np.float32)
        self._biases = np.zeros(1024, np.float32)
        self._norms = np.ones(1024, np.float32)
        self._known = np.zeros(1024, bool)
        self.rows = 0

    def put_all(self, ids: Sequence[str], catalogue: Sequence[ItemCatalogue | None]) -> None:
        """Set the rows from 0 on."""
        self._reserve(len(ids))
        for row, (item_id, description) in enumerate(zip(ids, catalogue, strict=True)):
            self.put(row, item_id, description)

    def put(self, row: int, item_id: str, catalogue: ItemCatalogue | None) -> None:
        """Set one row."""
        self._reserve(row + 1)
        self.rows = max(self.rows, row + 1)
        place = self.numbering.place(item_id, row)
        if place is not None:
            vector, bias, known = self.model.item_vectors[place], float(self.model.item_biases[place]), True
        elif catalogue is not None:
            content = describe_item(
                item_id,
                catalogue.category,
                catalogue.brand,
                catalogue.price_cents,
                catalogue.title,
                catalogue.tags,
            )
            vector, bias, known = self.model.item_vector(content)
        else:
            vector, bias, known = np.zeros(self._matrix.shape[1], np.float32), 0.0, False
        self._matrix[row] = vector
        self._biases[row] = bias
        self._norms[row] = float(np.linalg.norm(vector)) or 1.0
        self._known[row] = known

    def known(self, rows: int) -> npt.NDArray[np.bool_]:
        """Tell of the first ``rows`` rows which ones the model can score."""
        self._reserve(rows)
        return self._known[:rows]

    def scores(self, vector: Floats, rows: int) -> Floats:
        """Return the model's score of the first ``rows`` rows for a shopper's vector."""
        self._reserve(rows)
        found: Floats = self._matrix[:rows] @ vector
        found += self._biases[:rows]
        return found

    def scores_of(self, vector: Floats, rows: Rows) -> Floats:
        """Return the model's score of some rows for a shopper's vector; NaN for those that it cannot score."""
        self._reserve(int(rows.max(initial=-1)) + 1)
        found: Floats = self._matrix[rows] @ vector
        found += self._biases[rows]
        found[~self._known[rows]] = np.nan
        return found

    def similarities(self, row: int, rows: int) -> Floats:
        """Return the cosine of the first ``rows`` rows to one row."""
        self._reserve(max(rows, row + 1))
        found: Floats = self._matrix[:rows] @ (self._matrix[row] / self._norms[row])
        found /= self._norms[:rows]
        return found

    def _reserve(self, rows: int) -> None:
        missing = rows - len(self._matrix)
        if missing > 0:
            more = max(missing, len(self._matrix))
            self._matrix = np.concatenate([self._matrix, np.zeros((more, self._matrix.shape[1]), np.float32)])
            self._biases = np.concatenate([self._biases, np.zeros(more, np.float32)])
            self._norms = np.concatenate([self._norms, np.ones(more, np.float32)])
            self._known = np.concatenate([self._known, np.zeros(more, bool)])

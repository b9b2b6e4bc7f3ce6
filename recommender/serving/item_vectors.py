"""A model's vectors for the rows of the item table."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from recommender.features import ItemCatalogue
from recommender.model.description import describe_item
from recommender.serving.best import best
from recommender.serving.item_index import ItemIndex
from recommender.serving.numbering import Numbering
from recommender.serving.ports import Floats, Rows, ServableModel
from recommender.serving.row_index import RowIndex

_CHUNK = 2_048
"""Rows set at once, within a fraction of a millisecond."""
_DESCRIBED_AT_ONCE = 16
_PAUSE_S = 0.0002
"""Given to other threads after each chunk, so that requests hardly notice the work."""
_HEADROOM = 1.25
"""Rows that there is room for, for each one there is at first: growing copies all of them."""


class ItemVectors:
    """Vectors and biases by row; an item that the model was not trained on has those of its content alone."""

    def __init__(self, model: ServableModel) -> None:
        self.model = model
        self.numbering = Numbering(model.item_ids)
        _ask_first(model)
        self._matrix = np.zeros((0, model.item_vectors.shape[1]), np.float32)
        self._biases = np.zeros(0, np.float32)
        self._norms = np.ones(0, np.float32)
        self._known = np.zeros(0, bool)
        self.rows = 0
        self.nearby = RowIndex()

    def put_all(self, ids: Sequence[str], catalogue: Sequence[ItemCatalogue | None]) -> None:
        """Set the rows from 0 on. Made for a thread beside the event loop; the lists may grow meanwhile."""
        rows = min(len(ids), len(catalogue))
        self._reserve(int(rows * _HEADROOM) + _CHUNK)
        self.put_rows(np.arange(rows), ids, catalogue)

    def put_rows(self, rows: Rows, ids: Sequence[str], catalogue: Sequence[ItemCatalogue | None]) -> None:
        """Set some rows, ascending. Made for a thread beside the event loop, which gets its turn again and again."""
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            numbers = self.numbering.place_all([ids[row] for row in some.tolist()], some)
            trained = numbers >= 0
            self._put_trained(some[trained], numbers[trained])
            for count, row in enumerate(some[~trained].tolist()):
                if count % _DESCRIBED_AT_ONCE == 0:
                    time.sleep(_PAUSE_S)
                self.put(row, ids[row], catalogue[row])
            time.sleep(_PAUSE_S)

    def put(self, row: int, item_id: str, catalogue: ItemCatalogue | None) -> None:
        """Set one row."""
        self._reserve(row + 1)
        self.rows = max(self.rows, row + 1)
        place = self.numbering.place(item_id, row)
        if place is not None:
            vector, bias = self.model.item_vectors[place], float(self.model.item_biases[place])
            known = bool(vector.any())
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
        self.nearby.note(row)

    def _put_trained(self, rows: Rows, numbers: npt.NDArray[np.int64]) -> None:
        if len(rows) == 0:
            return
        self._reserve(int(rows[-1]) + 1)
        self.rows = max(self.rows, int(rows[-1]) + 1)
        vectors = self.model.item_vectors[numbers]
        norms = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        self._matrix[rows] = vectors
        self._biases[rows] = self.model.item_biases[numbers]
        self._norms[rows] = np.where(norms > 0.0, norms, 1.0)
        self._known[rows] = norms > 0.0

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

    def top(self, vector: Floats, eligible: npt.NDArray[np.bool_], most: int) -> tuple[Rows, Floats]:
        """Return the ``most`` eligible rows of highest score for a shopper's vector, the highest first, and the scores.

        Where there is an index, nearly all of these are found by it; scores are always those of now.

        Args:
            vector: np.float32 array of shape [embedding_size].
            eligible: a flag for each row from 0 on; only rows that the model can score count.
            most: how many at most.
        """
        eligible = eligible & self.known(len(eligible))
        rows = self.nearby.propose(vector, eligible, most)
        if rows is not None:
            scores = self._matrix[rows] @ vector + self._biases[rows]
            places = best(scores, most)
            return rows[places], scores[places]
        scores = self.scores(vector, len(eligible))
        np.copyto(scores, -np.inf, where=~eligible)
        places = best(scores, most)
        places = places[eligible[places]]
        return places, scores[places]

    def begin_index(self) -> Callable[[Callable[[], bool]], Callable[[], None] | None]:
        """Return what makes an index of the rows as they are, for a thread beside the event loop.

        It takes what tells whether it is cancelled, and returns what puts the index into service, for the loop again;
        None where it was cancelled. Rows that change meanwhile are looked at beside the index.
        """
        matrix, biases, rows = self._matrix, self._biases, np.flatnonzero(self._known[: self.rows])
        changes = self.nearby.changes

        def build(is_cancelled: Callable[[], bool]) -> Callable[[], None] | None:
            index = ItemIndex(matrix.shape[1])
            if not index.build(rows, matrix, biases, is_cancelled=is_cancelled):
                return None
            return lambda: self.nearby.take(index, changes)

        return build

    def take_index_of(self, other: ItemVectors) -> None:
        """Use the index that other vectors of the same rows have, if these are like those that it was made of."""
        self.nearby.take_over(other.nearby, self._matrix)

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
            more = max(missing, len(self._matrix), 1_024)
            self._matrix = np.concatenate([self._matrix, np.zeros((more, self._matrix.shape[1]), np.float32)])
            self._biases = np.concatenate([self._biases, np.zeros(more, np.float32)])
            self._norms = np.concatenate([self._norms, np.ones(more, np.float32)])
            self._known = np.concatenate([self._known, np.zeros(more, bool)])


def _ask_first(model: ServableModel) -> None:
    """Ask the first question of each part: it builds tables of its own then, for which no request should wait."""
    model.user_vector({"": 1.0})
    model.item_vector({"": 1.0})
    for visits in (model.parts.visits, model.parts.histories):
        visits.alike(np.zeros(1, np.int64), np.ones(1, np.float32))

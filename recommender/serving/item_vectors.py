"""A model's vectors for the rows of the item table."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from recommender.features import ItemCatalogue
from recommender.model.best import best
from recommender.model.description import describe_item
from recommender.serving.cells import Cells, make_cells
from recommender.serving.numbering import Numbering
from recommender.serving.ports import Floats, Rows, ServableModel

_CHUNK = 2_048
"""Rows set at once, within a fraction of a millisecond."""
_DESCRIBED_AT_ONCE = 16
_PAUSE_S = 0.0002
"""Given to other threads after each chunk, so that requests hardly notice the work."""
_HEADROOM = 1.25
"""Rows that there is room for, for each one there is at first: growing copies all of them."""
_MOST_REACH = 4
"""Where most rows are not eligible, so many times as many items are asked at most."""
_AMONG = 10
"""For each item that is wanted so many are asked at least."""
_UNKNOWN = -1
_FIRST_OTHER = -2


class ItemVectors:
    """Vectors and biases by row; an item that the model was not trained on has those of its content alone.

    Those of the model lie as it keeps them, in an order of its own, and may be shared with other processes; a row knows
    its place there. Beside them is a small matrix of the items that the model was not trained on.

    Args:
        model: whose vectors these are.
        cells: its vectors in cells; without them they are put in a single one, where all are asked, always.
    """

    def __init__(self, model: ServableModel, cells: Cells | None = None) -> None:
        self.model = model
        self.cells = cells or make_cells(model.item_vectors, model.item_biases)
        self.numbering = Numbering(model.item_ids)
        _ask_first(model)
        self._place = np.zeros(0, np.int32)
        """Of each row: the place among the cells' points; -1 if the model knows nothing of it; below, -2 - the place
        among those not trained on."""
        self._row_at = np.full(len(self.cells.points), -1, np.int32)
        self._others = np.zeros((0, self.cells.points.shape[1]), np.float32)
        self._lengths_of_others = np.zeros(0, np.float32)
        """Of their vectors; 1 for one of zeros."""
        self._row_of_other = np.zeros(0, np.intp)
        """The row of each of these; -1 for one that is no longer used."""
        self._count_of_others = 0
        self.rows = 0

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
        number = self.numbering.place(item_id, row)
        if number is not None:
            self._put_trained(np.array([row]), np.array([number]))
            return
        self._reserve(row + 1)
        self.rows = max(self.rows, row + 1)
        if catalogue is None:
            return
        vector, bias, known = self.model.item_vector(
            describe_item(
                item_id,
                catalogue.category,
                catalogue.brand,
                catalogue.price_cents,
                catalogue.title,
                catalogue.tags,
            )
        )
        self._put_other(row, vector, bias, known)

    def _put_trained(self, rows: Rows, numbers: npt.NDArray[np.int64]) -> None:
        if len(rows) == 0:
            return
        self._reserve(int(rows[-1]) + 1)
        self.rows = max(self.rows, int(rows[-1]) + 1)
        places = self.cells.place_of[numbers]
        self._place[rows] = places
        known = places >= 0
        self._row_at[places[known]] = rows[known]

    def _put_other(self, row: int, vector: Floats, bias: float, known: bool) -> None:
        other = _FIRST_OTHER - int(self._place[row])
        if not known:
            if other >= 0:
                self._row_of_other[other] = -1
                self._place[row] = _UNKNOWN
            return
        if other < 0:
            other = self._count_of_others
            if other == len(self._others):
                more = max(64, other)
                self._others = np.concatenate([self._others, np.zeros((more, self._others.shape[1]), np.float32)])
                self._lengths_of_others = np.concatenate([self._lengths_of_others, np.ones(more, np.float32)])
                self._row_of_other = np.concatenate([self._row_of_other, np.full(more, -1)])
            self._count_of_others += 1
        self._others[other, :-1], self._others[other, -1] = vector, bias
        self._lengths_of_others[other] = np.linalg.norm(vector) or 1.0
        self._row_of_other[other] = row
        self._place[row] = _FIRST_OTHER - other

    def known(self, rows: int) -> npt.NDArray[np.bool_]:
        """Tell of the first ``rows`` rows which ones the model can score."""
        self._reserve(rows)
        found: npt.NDArray[np.bool_] = self._place[:rows] != _UNKNOWN
        return found

    def scores_of(self, vector: Floats, rows: Rows) -> Floats:
        """Return the model's score of some rows for a shopper's vector; NaN for those that it cannot score."""
        return self._products(_with_bias(vector), rows)

    def top(self, vector: Floats, eligible: npt.NDArray[np.bool_], most: int) -> tuple[Rows, Floats]:
        """Return the ``most`` eligible rows of highest score for a shopper's vector, the highest first, and the scores.

        Where there are several cells, nearly all of these are found.

        Args:
            vector: np.float32 array of shape [embedding_size].
            eligible: a flag for each row from 0 on; only rows that the model can score count.
            most: how many at most.
        """
        self._reserve(len(eligible))
        point, cells = _with_bias(vector), self.cells
        if len(cells.starts) > 2:
            count = int(np.count_nonzero(eligible))
            reach = max(cells.reach, _AMONG * most)
            if count <= reach:
                return self._best_of(point, np.flatnonzero(eligible), most)
            asked = cells.promising(point, min(_MOST_REACH * reach, reach * len(eligible) // count))
        else:
            asked = np.zeros(1, np.intp)
        scores = cells.ask(point, asked)
        rows, found = self._highest(scores, asked, eligible, most)
        if len(rows) < most and len(scores) < len(cells.points):
            return self._best_of(point, np.flatnonzero(eligible), most)
        return self._with_others(rows, found, self._others[: self._count_of_others] @ point, eligible, most)

    def nearest(self, row: int, eligible: npt.NDArray[np.bool_], most: int) -> tuple[Rows, Floats]:
        """Return the ``most`` eligible rows whose vectors lie most in the direction of a row's, and the cosines.

        Where there are several cells, those that lie most in that direction are looked at.
        """
        self._reserve(max(len(eligible), row + 1))
        vector = self._vector(row)
        length = float(np.linalg.norm(vector))
        if length == 0.0:
            return np.empty(0, np.intp), np.empty(0, np.float32)
        direction, cells = vector / np.float32(length), self.cells
        asked = (
            cells.like(direction, max(cells.reach, _AMONG * most)) if len(cells.starts) > 2 else np.zeros(1, np.intp)
        )
        cosines = cells.ask(direction, asked)
        cosines /= cells.lengths_of(asked)
        rows, found = self._highest(cosines, asked, eligible, most)
        others = self._others[: self._count_of_others, :-1] @ direction
        others /= self._lengths_of_others[: self._count_of_others]
        return self._with_others(rows, found, others, eligible, most)

    def _highest(
        self, scores: Floats, asked: npt.NDArray[np.intp], eligible: npt.NDArray[np.bool_], most: int
    ) -> tuple[Rows, Floats]:
        """Return the eligible rows of highest score among the items of the cells asked, the highest first."""
        positions = best(scores, 2 * most)  # some are not eligible
        rows = self._rows_at(asked, positions, eligible)
        if np.count_nonzero(rows >= 0) < most and len(scores) > len(positions):
            positions = np.flatnonzero(self._rows_at(asked, None, eligible) >= 0)
            positions = positions[best(scores[positions], most)]
            rows = self._rows_at(asked, positions, eligible)
        here = rows >= 0
        return rows[here], scores[positions[here]]

    def _with_others(
        self, rows: Rows, scores: Floats, others: Floats, eligible: npt.NDArray[np.bool_], most: int
    ) -> tuple[Rows, Floats]:
        """Return the highest of these and of the items that the model was not trained on, whose scores are given."""
        if len(others):
            row = self._row_of_other[: len(others)]
            usable = (row >= 0) & (row < len(eligible))
            if len(scores) >= most:
                usable &= others >= scores[most - 1]
            places = np.flatnonzero(usable)
            places = places[eligible[row[places]]]
            rows = np.concatenate([rows, row[places]])
            scores = np.concatenate([scores, others[places]])
        return _in_order(rows, scores, most)

    def _best_of(self, point: Floats, rows: Rows, most: int) -> tuple[Rows, Floats]:
        """Ask these rows alone."""
        scores = self._products(point, rows)
        known = ~np.isnan(scores)
        rows, scores = rows[known], scores[known]
        places = best(scores, most)
        return rows[places], scores[places]

    def _products(self, point: Floats, rows: Rows) -> Floats:
        if len(rows) and int(rows.max()) >= len(self._place):
            self._reserve(int(rows.max()) + 1)
        places = self._place[rows]
        if len(places) and int(places.min()) >= 0:
            found: Floats = self.cells.points[places] @ point
            return found
        found = np.full(len(rows), np.nan, np.float32)
        trained, others = places >= 0, places <= _FIRST_OTHER
        found[trained] = self.cells.points[places[trained]] @ point
        found[others] = self._others[_FIRST_OTHER - places[others]] @ point
        return found

    def _rows_at(self, asked: npt.NDArray[np.intp], positions: Rows | None, eligible: npt.NDArray[np.bool_]) -> Rows:
        """Return the row of each, or some, of the points of the cells asked; -1 for one that is not eligible."""
        if len(self.cells.starts) > 2 or positions is not None:
            rows = self._row_at[self.cells.places(asked, positions)].astype(np.intp)
        else:
            rows = self._row_at.astype(np.intp)
        rows[rows >= len(eligible)] = -1
        here = rows >= 0
        rows[here] = np.where(eligible[rows[here]], rows[here], -1)
        return rows

    def _vector(self, row: int) -> Floats:
        place = int(self._place[row])
        if place >= 0:
            return self.cells.points[place, :-1]
        if place <= _FIRST_OTHER:
            return self._others[_FIRST_OTHER - place, :-1]
        return np.zeros(self._others.shape[1] - 1, np.float32)

    def _reserve(self, rows: int) -> None:
        missing = rows - len(self._place)
        if missing > 0:
            more = max(missing, len(self._place), 1_024)
            self._place = np.concatenate([self._place, np.full(more, _UNKNOWN, np.int32)])


def _with_bias(vector: Floats) -> Floats:
    """Return a shopper's vector with a 1 for the bias."""
    point = np.ones(len(vector) + 1, np.float32)
    point[:-1] = vector
    return point


def _in_order(rows: Rows, scores: Floats, most: int) -> tuple[Rows, Floats]:
    """Return the highest, the first first; ties by row."""
    if (scores[1:] < scores[:-1]).all():
        return rows[:most], scores[:most]
    order = np.argsort(-scores)
    found = scores[order]
    if (found[1:] == found[:-1]).any():
        order = np.lexsort((rows, -scores))
    order = order[:most]
    return rows[order], scores[order]


def _ask_first(model: ServableModel) -> None:
    """Ask the first question of each part: it builds tables of its own then, for which no request should wait."""
    model.user_vector({"": 1.0})
    model.item_vector({"": 1.0})
    for visits in (model.parts.visits, model.parts.histories):
        visits.alike(np.zeros(1, np.int64), np.ones(1, np.float32))

"""Between a model's numbers of items and the rows of the item table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from recommender.serving.ports import Rows


class Numbering:
    """The row of each item that a model knows, as far as the table has it."""

    def __init__(self, item_ids: Sequence[str]) -> None:
        self.number_of = {item_id: number for number, item_id in enumerate(item_ids)}
        self._rows = np.full(len(item_ids), -1, np.intp)

    def place(self, item_id: str, row: int) -> int | None:
        """Note an item's row; return its number, or None where the model does not know it."""
        number = self.number_of.get(item_id)
        if number is not None:
            self._rows[number] = row
        return number

    def place_all(self, item_ids: Sequence[str], rows: Rows) -> npt.NDArray[np.int64]:
        """Note the rows of some items; return int64 [n], the number of each, -1 for one not known."""
        numbers = self.numbers(item_ids)
        known = numbers >= 0
        self._rows[numbers[known]] = rows[known]
        return numbers

    def numbers(self, item_ids: Collection[str]) -> npt.NDArray[np.int64]:
        """Return int64 [n], the number of each item, -1 for one not known."""
        return np.fromiter(map(self.number_of.get, item_ids, repeat(-1)), np.int64, len(item_ids))

    def rows(self, numbers: npt.NDArray[np.integer]) -> Rows:
        """Return the row of each number; -1 where the table does not have the item."""
        return self._rows[numbers]

"""Which rows of the item table a filter allows, all at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from recommender.serving.filters.grammar import All, Among, AmongNumbers, Compare, Filter, Node, Not
from recommender.serving.item_table import ItemTable

Mask = npt.NDArray[np.bool_]
_KEPT = 64
_KEPT_OF_MANY = 32
_MANY_ROWS = 200_000
"""From so many rows on fewer answers are kept: each takes a byte of each row."""
_DAY_MS = 86_400_000.0
_SIGNS: Mapping[str, Callable[..., Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Masks:
    """Answers filters on one table. Answers are kept for as long as no item's description changes."""

    def __init__(self, table: ItemTable) -> None:
        self._table = table
        self._kept: OrderedDict[str, tuple[int, Mask]] = OrderedDict()

    def allowed(self, wanted: Filter, now_us: int) -> Mask:
        """Return a flag for each row of the table; not to be changed."""
        if wanted.volatile:
            return _Ask(self._table, now_us).answer(wanted.node)
        version = self._table.content_version
        kept = self._kept.get(wanted.text)
        if kept is not None and kept[0] == version:
            self._kept.move_to_end(wanted.text)
            return kept[1]
        mask = _Ask(self._table, now_us).answer(wanted.node)
        self._kept[wanted.text] = (version, mask)
        self._kept.move_to_end(wanted.text)
        most = _KEPT if len(mask) < _MANY_ROWS else _KEPT_OF_MANY
        while len(self._kept) > most:
            self._kept.popitem(last=False)
        return mask


class _Ask:
    """One filter asked once: equal comparisons are made once, and so is each column that they need."""

    def __init__(self, table: ItemTable, now_us: int) -> None:
        self._table = table
        self._now_ms = now_us / 1_000
        self._answers: dict[Node, Mask] = {}
        self._columns: dict[str, npt.NDArray[np.float64]] = {}
        self._codes: dict[str, npt.NDArray[np.intp]] = {}

    def answer(self, node: Node) -> Mask:
        if isinstance(node, Not):
            return ~self.answer(node.inner)
        if isinstance(node, (Among, AmongNumbers, Compare)):
            found = self._answers.get(node)
            if found is None:
                found = self._answers[node] = self._leaf(node)
            return found
        together = np.logical_and if isinstance(node, All) else np.logical_or
        mask = self.answer(node.parts[0]).copy()
        for part in node.parts[1:]:
            together(mask, self.answer(part), out=mask)
        return mask

    def _leaf(self, node: Among | AmongNumbers | Compare) -> Mask:
        """Answer one comparison. NaN is what is unknown: equal to nothing, neither below nor above."""
        if isinstance(node, Compare):
            return _SIGNS[node.sign](self._column(node.field), node.number)
        mask = np.zeros(len(self._table.ids), np.bool_)
        if isinstance(node, AmongNumbers):
            column = self._column(node.field)
            for number in node.numbers:
                mask |= column == number
        elif node.field == "item_id":
            mask[self._table.rows_of(node.values)] = True
        elif node.field == "tags":
            for tag in node.values:
                mask[self._table.with_tag(tag)] = True
        else:
            return self._coded(node)
        return mask

    def _coded(self, node: Among) -> Mask:
        table = self._table
        named = table.names.below if node.field == "category" else table.names.called
        flags = np.zeros(len(table.codes), np.bool_)
        for value in node.values:
            if value in named:
                flags[np.frombuffer(named[value], np.int64)] = True
        codes = self._codes.get(node.field)
        if codes is None:
            column = table.category if node.field == "category" else table.brand
            codes = self._codes[node.field] = column.astype(np.intp)
        return flags[codes]

    def _column(self, field: str) -> npt.NDArray[np.float64]:
        if field == "price":
            return self._table.price
        if field == "stock":
            return self._table.stock
        column = self._columns.get(field)
        if column is None:
            column = self._now_ms - self._table.listed_ms
            column /= _DAY_MS
            self._columns[field] = column
        return column

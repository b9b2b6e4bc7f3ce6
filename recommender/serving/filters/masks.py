"""Which rows of the item table a filter allows, all at once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import reduce

import numpy as np
import numpy.typing as npt

from recommender.serving.filters.grammar import All, Among, Compare, Filter, Node, Not
from recommender.serving.item_table import ItemTable

Mask = npt.NDArray[np.bool_]
_KEPT = 64
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
        version = self._table.content_version
        kept = self._kept.get(wanted.text)
        if kept is not None and kept[0] == version and not wanted.volatile:
            self._kept.move_to_end(wanted.text)
            return kept[1]
        mask = self._ask(wanted.node, now_us / 1_000)
        self._kept[wanted.text] = (version, mask)
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return mask

    def _ask(self, node: Node, now_ms: float) -> Mask:
        if isinstance(node, Among):
            return self._among(node)
        if isinstance(node, Compare):
            return self._compare(node, now_ms)
        if isinstance(node, Not):
            return ~self._ask(node.inner, now_ms)
        parts = [self._ask(part, now_ms) for part in node.parts]
        together = np.logical_and if isinstance(node, All) else np.logical_or
        return reduce(together, parts) if parts else np.zeros(len(self._table.ids), bool)

    def _among(self, node: Among) -> Mask:
        table = self._table
        mask = np.zeros(len(table.ids), bool)
        if node.field == "item_id":
            mask[table.rows_of(node.values)] = True
        elif node.field == "brand":
            codes = [code for name, code in table.codes.items() if name.casefold() in node.values]
            mask = np.isin(table.brand, codes)
        elif node.field == "category":
            for level in table.categories():
                if level.casefold() in node.values:
                    mask[table.in_category(level)] = True
        else:
            for tag in table.tags():
                if tag.casefold() in node.values:
                    mask[table.with_tag(tag)] = True
        return mask

    def _compare(self, node: Compare, now_ms: float) -> Mask:
        table = self._table
        if node.field == "price":
            column = table.price
        elif node.field == "stock":
            column = table.stock
        else:
            column = (now_ms - table.listed_ms) / _DAY_MS
        found: Mask = _SIGNS[node.sign](column, node.number)
        return found & ~np.isnan(column)

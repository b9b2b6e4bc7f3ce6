"""The item table: what serving knows of all items, in arrays aligned by row number.

It takes rows as they are stored and keeps only what can be aged when it is used: trends on a scale that is the same at
all instants, and neighbours with the time as of which their scores hold.

Owned by one thread (the event loop). Whoever reads the feature store elsewhere hands finished rows over to it, so a
request never sees half of a change.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.events import category_levels
from recommender.features import ItemActivity, ItemCatalogue
from recommender.features.item_activity import POPULARITY_HALF_LIFE_US, TREND_HALF_LIFE_US
from recommender.model.best import best as best
from recommender.serving.demand import Demand
from recommender.serving.item_vectors import ItemVectors
from recommender.serving.names import Names
from recommender.serving.ports import Rows, Scores
from recommender.serving.row_set import RowSet
from recommender.serving.text_index import TextIndex

NO_TREND = -math.inf
NEW_FOR_US = 14 * 86_400_000_000
"""How long an item is new after it was first described."""
NEW_INTEREST = 5.0
"""Interest from which on an item is no longer new: it has been found."""
_MOST_DEMANDS = 512
"""Categories whose rows in demand are kept, twice: by trend and by popularity [count]."""
_NO_ROWS: Rows = np.empty(0, np.intp)


class Neighbours(NamedTuple):
    """Items that shoppers meet together with one item, the closest first."""

    rows: Rows
    scores: npt.NDArray[np.float32]
    """Pairs with each as of ``feature_time_us``; they lose half their weight in every ``NEIGHBOUR_HALF_LIFE_US``."""
    pairs: float
    """The sum of the scores."""
    feature_time_us: int


NO_NEIGHBOURS = Neighbours(_NO_ROWS, np.empty(0, np.float32), 0.0, 0)


class ItemTable:
    """All items with feature rows, each at a row number that it keeps."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.catalogue: list[ItemCatalogue | None] = []
        self.also_viewed: list[Neighbours] = []
        self.also_bought: list[Neighbours] = []
        self.text = TextIndex()
        self.vectors: ItemVectors | None = None
        self.items = 0
        """Number of items loaded; row numbers reach further, as a neighbour may be named before it is loaded."""
        self.version = 0
        """Grows with each change of availability, category or trend."""
        self.content_version = 0
        """Grows with each new row, and with each change of what a model may know an item by."""
        self._row_of: dict[str, int] = {}
        self._loaded = np.zeros(1024, bool)
        self._available = np.zeros(1024, bool)
        self._trend = np.full(1024, NO_TREND)
        self._popularity = np.full(1024, NO_TREND)
        self._price = np.full(1024, np.nan)
        self._stock = np.full(1024, np.nan)
        self._listed_ms = np.full(1024, np.nan)
        self._category = np.zeros(1024, np.int32)
        self._brand = np.zeros(1024, np.int32)
        self._content_at = np.zeros(1024, np.int64)
        self._codes: dict[str, int] = {"": 0}
        self.names = Names()
        self._catalogue_us = np.zeros(1024, np.int64)
        self._activity_us: list[int] = []
        self._of_category: dict[str, RowSet] = {}
        self._of_tag: dict[str, RowSet] = {}
        """By the casefolded tag."""
        self._listed_version = 0
        self._listed_lately: tuple[int, float, Rows] = (-1, 0.0, _NO_ROWS)
        """As of a version, all rows that were listed after some instant [ms]: time only takes rows away."""
        self._demand: dict[tuple[str, str | None], Demand] = {}

    @property
    def available(self) -> npt.NDArray[np.bool_]:
        """Whether each row can be sold now; False for one not loaded. A view, not to be kept or changed."""
        return self._available[: len(self.ids)]

    @property
    def trend(self) -> Scores:
        """Binary logarithm of each row's interest, on one scale for all instants: only differences mean something."""
        return self._trend[: len(self.ids)]

    @property
    def popularity(self) -> Scores:
        """The same of the interest over weeks."""
        return self._popularity[: len(self.ids)]

    @property
    def price(self) -> Scores:
        """Price of each row [cents]; NaN if unknown."""
        return self._price[: len(self.ids)]

    @property
    def listed_ms(self) -> Scores:
        """Since when each row is in the catalogue [ms since 1970 UTC]; NaN if unknown."""
        return self._listed_ms[: len(self.ids)]

    @property
    def category(self) -> npt.NDArray[np.int32]:
        """Code of each row's category; 0 for none."""
        return self._category[: len(self.ids)]

    @property
    def brand(self) -> npt.NDArray[np.int32]:
        """Code of each row's brand; 0 for none."""
        return self._brand[: len(self.ids)]

    @property
    def stock(self) -> Scores:
        """Units of each row in stock [count]; NaN if unknown."""
        return self._stock[: len(self.ids)]

    @property
    def codes(self) -> Mapping[str, int]:
        """Code of each category and brand that some row has or had."""
        return self._codes

    @property
    def catalogue_us(self) -> npt.NDArray[np.int64]:
        """Feature time of each row's catalogue row [us since 1970 UTC]; 0 without one."""
        return self._catalogue_us[: len(self.ids)]

    def code_of(self, name: str) -> int | None:
        """Return the code of a category or brand that some row has or had."""
        return self._codes.get(name)

    def row_of(self, item_id: str) -> int | None:
        """Return the row of a loaded item."""
        row = self._row_of.get(item_id)
        return row if row is not None and self._loaded[row] else None

    def rows_of(self, item_ids: Iterable[str]) -> list[int]:
        """Return the rows of those items that are loaded, in their order."""
        row_of, loaded = self._row_of, self._loaded
        return [row for item_id in item_ids if (row := row_of.get(item_id)) is not None and loaded.item(row)]

    def row_numbers(self, item_ids: Collection[str]) -> Rows:
        """Return the row of each item; -1 for one that is not loaded."""
        rows = np.fromiter(map(self._row_of.get, item_ids, repeat(-1)), np.intp, len(item_ids))
        rows[~self._loaded[rows]] = -1
        return rows

    def unloaded(self, item_ids: Iterable[str]) -> list[str]:
        """Return those items that are not loaded."""
        return [item_id for item_id in item_ids if self.row_of(item_id) is None]

    def has_category(self, category: str) -> bool:
        """Tell whether any item is or was in this category, at any level of the tree."""
        return category in self._of_category

    def in_category(self, category: str) -> Rows:
        """Return the rows of the items in a category and below it."""
        rows = self._of_category.get(category)
        return rows.rows() if rows is not None else _NO_ROWS

    def with_tag(self, tag: str) -> Rows:
        """Return the rows of the items with a tag, which is given casefolded."""
        rows = self._of_tag.get(tag)
        return rows.rows() if rows is not None else _NO_ROWS

    def trending(self, category: str | None, most: int) -> Rows:
        """Return the available rows of most interest, in a category or in all, the first first; ties by row."""
        return self._highest("trend", category, most)

    def popular(self, category: str | None, most: int) -> Rows:
        """Return the available rows of most interest over weeks, in the same way."""
        return self._highest("popularity", category, most)

    def new(self, now_us: int) -> Rows:
        """Return the available rows that were first described lately and have met little interest since."""
        after_ms = (now_us - NEW_FOR_US) / 1000
        version, since_ms, rows = self._listed_lately
        if version != self._listed_version or after_ms < since_ms:
            with np.errstate(invalid="ignore"):
                rows = np.flatnonzero(self.listed_ms > after_ms)
            self._listed_lately = self._listed_version, after_ms, rows
        rows = rows[self._available[rows] & (self._listed_ms[rows] > after_ms)]
        return rows[self.popularity[rows] - now_us / POPULARITY_HALF_LIFE_US < math.log2(NEW_INTEREST)]

    def _highest(self, column: str, category: str | None, most: int) -> Rows:
        key = (column, category)
        demand = self._demand.get(key)
        if demand is None:
            demand = self._demand[key] = Demand(lambda: self._rows_in(category))
            if len(self._demand) > _MOST_DEMANDS:
                del self._demand[next(iter(self._demand))]
        return demand.highest(getattr(self, column), self.available, most)

    def _rows_in(self, category: str | None) -> Rows:
        return np.arange(len(self.ids)) if category is None else np.sort(self.in_category(category))

    def _note_demand(self, row: int) -> None:
        catalogue = self.catalogue[row]
        for column, value in (("trend", self._trend[row]), ("popularity", self._popularity[row])):
            for category in (None, *category_levels(catalogue.category if catalogue else "")):
                demand = self._demand.get((column, category))
                if demand is not None:
                    demand.note(row, value)

    def put(self, item_id: str, catalogue: ItemCatalogue | None, activity: ItemActivity | None) -> None:
        """Take both rows of an item as they are stored; None where nothing is stored."""
        row = self._place(item_id)
        self._load(row)
        if catalogue is not None:
            self._set_catalogue(row, catalogue)
        elif self.catalogue[row] is None:
            self._available[row] = True
            self._describe(row)
        if activity is not None:
            self._set_activity(row, activity)
        self.version += 1

    def put_catalogue(self, catalogue: ItemCatalogue) -> None:
        """Take a catalogue row, unless the table has a later one of a loaded item."""
        row = self._place(catalogue.item_id)
        self._load(row)
        if catalogue.feature_time_us >= self._catalogue_us[row]:
            self._set_catalogue(row, catalogue)
            self.version += 1

    def put_activity(self, activity: ItemActivity) -> None:
        """Take an activity row of a loaded item, unless the table has a later one."""
        row = self._place(activity.item_id)
        if activity.feature_time_us >= self._activity_us[row]:
            self._set_activity(row, activity)
            self.version += 1

    def changed_since(self, content_version: int) -> Rows:
        """Return the rows that are new, or have other content, since the table was at that version; ascending."""
        return np.flatnonzero(self._content_at[: len(self.ids)] > content_version)

    def adopt(self, vectors: ItemVectors, content_version: int) -> None:
        """Change to another model's vectors.

        Args:
            vectors: made elsewhere, of the rows as they were.
            content_version: of the table when that began; rows that have changed since are made again, here and now.
        """
        for row in self.changed_since(content_version).tolist():
            vectors.put(row, self.ids[row], self.catalogue[row])
        self.vectors = vectors

    def _load(self, row: int) -> None:
        if not self._loaded[row]:
            self._loaded[row] = True
            self.items += 1
            self._note_demand(row)

    def _place(self, item_id: str) -> int:
        row = self._row_of.get(item_id)
        if row is not None:
            return row
        row = self._row_of[item_id] = len(self.ids)
        if row == len(self._loaded):
            self._loaded = np.concatenate([self._loaded, np.zeros(row, bool)])
            self._available = np.concatenate([self._available, np.zeros(row, bool)])
            self._trend = np.concatenate([self._trend, np.full(row, NO_TREND)])
            self._popularity = np.concatenate([self._popularity, np.full(row, NO_TREND)])
            self._price = np.concatenate([self._price, np.full(row, np.nan)])
            self._stock = np.concatenate([self._stock, np.full(row, np.nan)])
            self._listed_ms = np.concatenate([self._listed_ms, np.full(row, np.nan)])
            self._category = np.concatenate([self._category, np.zeros(row, np.int32)])
            self._brand = np.concatenate([self._brand, np.zeros(row, np.int32)])
            self._catalogue_us = np.concatenate([self._catalogue_us, np.zeros(row, np.int64)])
            self._content_at = np.concatenate([self._content_at, np.zeros(row, np.int64)])
        self.ids.append(item_id)
        self.catalogue.append(None)
        self.also_viewed.append(NO_NEIGHBOURS)
        self.also_bought.append(NO_NEIGHBOURS)
        self._activity_us.append(0)
        self._note_content(row)
        return row

    def _set_catalogue(self, row: int, catalogue: ItemCatalogue) -> None:
        before = self.catalogue[row]
        self.catalogue[row] = catalogue
        self._catalogue_us[row] = catalogue.feature_time_us
        self._available[row] = catalogue.available
        self._price[row] = catalogue.price_cents if catalogue.price_cents >= 0 else np.nan
        self._stock[row] = catalogue.stock if catalogue.stock >= 0 else np.nan
        if before is None or before.listed_at_ms != catalogue.listed_at_ms:
            self._listed_ms[row] = catalogue.listed_at_ms or np.nan
            self._listed_version += 1
        self._category[row] = self._code(catalogue.category)
        self._brand[row] = self._code(catalogue.brand)
        old, new = before.category if before else "", catalogue.category
        if old != new:
            for level in category_levels(old):
                self._of_category[level].discard(row)
            for level in category_levels(new):
                _put_in(self._of_category, level, row)
            self._note_demand(row)
            for level in category_levels(old):
                for column in ("trend", "popularity"):
                    self._demand.pop((column, level), None)
        if before is None or before.tags != catalogue.tags:
            for tag in before.tags if before else ():
                self._of_tag[tag.casefold()].discard(row)
            for tag in catalogue.tags:
                _put_in(self._of_tag, tag.casefold(), row)
        if before is None or _content(before) != _content(catalogue):
            self.text.put(row, (catalogue.title, catalogue.category, catalogue.brand, *catalogue.tags))
            self._describe(row)

    def _code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._codes)
            self.names.note(name, code)
        return code

    def _note_content(self, row: int) -> None:
        self.content_version += 1
        self._content_at[row] = self.content_version

    def _describe(self, row: int) -> None:
        self._note_content(row)
        if self.vectors is not None:
            self.vectors.put(row, self.ids[row], self.catalogue[row])

    def _set_activity(self, row: int, activity: ItemActivity) -> None:
        self._activity_us[row] = activity.feature_time_us
        score = activity.trend_score
        age = activity.feature_time_us / TREND_HALF_LIFE_US
        self._trend[row] = math.log2(score) + age if score > 0 else NO_TREND
        score, age = activity.popularity_score, activity.feature_time_us / POPULARITY_HALF_LIFE_US
        self._popularity[row] = math.log2(score) + age if score > 0 else NO_TREND
        self._note_demand(row)
        as_of_us = activity.feature_time_us
        self.also_viewed[row] = self._neighbours(activity.also_viewed, activity.also_viewed_scores, as_of_us)
        self.also_bought[row] = self._neighbours(activity.also_bought, activity.also_bought_scores, as_of_us)

    def _neighbours(self, item_ids: Sequence[str], scores: Sequence[float], feature_time_us: int) -> Neighbours:
        if not item_ids:
            return NO_NEIGHBOURS
        rows = np.fromiter(map(self._place, item_ids), np.intp, len(item_ids))
        return Neighbours(rows, np.array(scores, np.float32), sum(scores), feature_time_us)


def _content(catalogue: ItemCatalogue) -> tuple[object, ...]:
    return (catalogue.title, catalogue.category, catalogue.brand, catalogue.price_cents, tuple(catalogue.tags))


def _put_in(sets: dict[str, RowSet], name: str, row: int) -> None:
    rows = sets.get(name)
    if rows is None:
        rows = sets[name] = RowSet()
    rows.add(row)

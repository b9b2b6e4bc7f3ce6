"""Training from an installation's history: the feature store's point-in-time join finds what would have been served."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from recommender.features import (
    FeatureRow,
    ItemActivity,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    aged,
    implicit_session,
)
from recommender.features.memory import ItemRows
from recommender.features.shopper import Shopper
from recommender.features.user_items import UserItems
from recommender.features.user_purchases import UserPurchases
from recommender.history import EVENT_TIMESTAMP, SCHEMAS, part_files
from recommender.training.dataset import Numbers, Targets, by_moment
from recommender.training.history_rows import rows_found
from recommender.training.history_targets import read_targets

PointInTimeJoin = Callable[[pa.Table, Sequence[type[FeatureRow]]], Iterator[pa.Table]]
"""Adds to entity rows (entity ids, ``event_timestamp``, others that pass through) the columns of each view as
``view__column``, as of each row's timestamp, and ``view__event_timestamp``, the feature time of what was found; null
where nothing was known. Yields them in their order, so many at a time that they fit in memory."""

USER_VIEWS: dict[str, type[FeatureRow]] = {"user": UserFeatures, "items": UserItems, "purchases": UserPurchases}
"""The views of a known shopper, by their name in `Shopper`."""
SHOPPER_VIEWS: tuple[type[FeatureRow], ...] = (SessionFeatures, *USER_VIEWS.values())
ITEM_VIEWS: tuple[type[FeatureRow], ...] = (ItemCatalogue, ItemActivity)

_TARGET, _EXPLICIT = "target", "explicit"
_ROWS_AT_ONCE = 1_000
"""How many are Python objects at the same time."""


class HistorySource:
    """The training set of an installation.

    Args:
        history_dir: folder of the history.
        join: the feature store's point-in-time join.
        since_us: the earliest time of targets; features go back before it.
        until_us: the time before which targets are.
    """

    def __init__(
        self, history_dir: Path, join: PointInTimeJoin, since_us: int | None = None, until_us: int | None = None
    ) -> None:
        self._dir = history_dir
        self._join = join
        self._targets = read_targets(history_dir, since_us, until_us)

    def targets(self) -> Targets:
        """Return the events that can be examples."""
        return self._targets

    def shoppers(self, numbers: Numbers) -> Iterator[Shopper]:
        """Yield the shopper just before each of these targets, aged to its instant; the same one for one moment.

        Args:
            numbers: of targets, ascending.
        """
        return by_moment(self._targets, numbers, self._at)

    def items(self, as_of_us: int) -> list[ItemRows]:
        """Return the latest rows of each item at or before an instant, not aged, in order of item ids."""
        again = Retrying(stop=stop_after_attempt(3), retry=retry_if_exception_type(FileNotFoundError), reraise=True)
        item_ids = pa.array(sorted(again(self._item_ids)), pa.string())
        as_of = pa.array(np.full(len(item_ids), as_of_us)).cast(SCHEMAS[ItemCatalogue.view].field(EVENT_TIMESTAMP).type)
        entity_rows = pa.table({ItemCatalogue.entity: item_ids, EVENT_TIMESTAMP: as_of})
        found: list[ItemRows] = []
        for joined in self._join(entity_rows, ITEM_VIEWS):
            ids = joined.column(ItemCatalogue.entity).to_pylist()
            catalogue, activity = rows_found(joined, ItemCatalogue), rows_found(joined, ItemActivity)
            found += map(ItemRows, ids, catalogue, activity)
        return [rows for rows in found if rows.catalogue is not None or rows.activity is not None]

    def _item_ids(self) -> set[str]:
        ids: set[str] = set()
        for row_type in ITEM_VIEWS:
            files = [str(path) for path in reversed(part_files(self._dir, row_type.view))]
            for batch in ds.dataset(files, schema=SCHEMAS[row_type.view]).to_batches(columns=[row_type.entity]):
                ids.update(pc.unique(batch.column(0)).to_pylist())
        return ids

    def _at(self, numbers: Numbers) -> Iterator[Shopper]:
        times_us = self._targets.times_us[numbers].tolist()
        implicit: SessionFeatures | None = None
        for target, is_explicit, session, known in self._rows(numbers):
            if not is_explicit:
                implicit = session
                continue
            yield _shopper(times_us[target], [implicit, session], known)
            implicit = None

    def _rows(self, numbers: Numbers) -> Iterator[tuple[int, bool, Any, tuple[Any, ...]]]:
        """Yield for each target first the implicit session of a known shopper, if it is another, then the session."""
        for joined in self._join(self._entity_rows(numbers), SHOPPER_VIEWS):
            for start in range(0, len(joined), _ROWS_AT_ONCE):
                some = joined.slice(start, _ROWS_AT_ONCE)
                sessions, *users = (rows_found(some, row_type) for row_type in SHOPPER_VIEWS)
                targets, explicit = some.column(_TARGET).to_pylist(), some.column(_EXPLICIT).to_pylist()
                yield from zip(targets, explicit, sessions, zip(*users, strict=True), strict=True)

    def _entity_rows(self, numbers: Numbers) -> pa.Table:
        targets = self._targets
        sessions = targets.session_ids.take(pa.array(targets.sessions[numbers]))
        users = targets.users[numbers]
        user_ids = pa.array(targets.user_ids, pa.string()).take(pa.array(users, mask=users < 0))
        own = pc.binary_join_element_wise(implicit_session(""), user_ids, "")  # null where the shopper is not known
        is_apart = pc.fill_null(pc.not_equal(own, sessions), False).to_numpy(zero_copy_only=False)
        target = np.repeat(np.arange(len(numbers)), 1 + is_apart)
        explicit = np.append(target[1:] != target[:-1], True) if len(target) else np.empty(0, np.bool_)
        just_before = pa.array(targets.times_us[numbers][target] - 1)
        picked = pa.array(target)
        return pa.table(
            {
                SessionFeatures.entity: pc.if_else(pa.array(explicit), sessions.take(picked), own.take(picked)),
                UserFeatures.entity: pc.if_else(pa.array(explicit), user_ids.take(picked), None),
                EVENT_TIMESTAMP: just_before.cast(SCHEMAS[SessionFeatures.view].field(EVENT_TIMESTAMP).type),
                _TARGET: picked,
                _EXPLICIT: explicit,
            }
        )


def _shopper(now_us: int, sessions: Sequence[SessionFeatures | None], known: tuple[Any, ...]) -> Shopper:
    """Return a shopper as the feature store's online reader does."""
    theirs = [row for row in sessions if row is not None]
    theirs.sort(key=lambda row: row.feature_time_us, reverse=True)
    latest_us = max((row.feature_time_us for row in (*theirs, *known) if row is not None), default=0)
    rows = {name: row and aged(row, now_us) for name, row in zip(USER_VIEWS, known, strict=True)}
    return Shopper(sessions=[aged(row, now_us) for row in theirs], feature_time_us=latest_us, **rows)

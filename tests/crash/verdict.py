"""Whether an installation holds what it must: every feature row against the recount, every event and row once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from recommender.features import ROW_TYPES, FeatureRow
from recommender.history import EVENT_TIMESTAMP, EVENTS, SCHEMAS, part_files
from recommender.store import FeastFeatures
from tests.integration.recount import Recount, Seen, compare_all, scores_column

_SHOWN = 5
_KEYS_AT_ONCE = 5_000


class _Once:
    """Online features, each row read once."""

    def __init__(self, features: FeastFeatures) -> None:
        self._features = features
        self._rows: dict[tuple[str, str], FeatureRow | None] = {}

    def read(self, row_type: type[Any], keys: Sequence[str]) -> list[Any]:
        view = row_type.view
        missing = [key for key in keys if (view, key) not in self._rows]
        for key, row in zip(missing, self._features.read(row_type, missing), strict=True):
            self._rows[view, key] = row
        return [self._rows[view, key] for key in keys]

    def item_ids(self) -> list[str]:
        return self._features.item_ids()


class Verdict:
    """What was compared, and every difference found."""

    def __init__(self) -> None:
        self.rows_compared = 0
        self.history_rows: dict[str, int] = {}
        self.lost = 0
        self.doubled = 0
        self.differences: list[str] = []

    def note(self, what: str, keys: Iterable[Any]) -> int:
        """Add differences of one sort; return how many they are."""
        found = list(keys)
        self.differences += [f"{what}: {key}" for key in found]
        return len(found)

    @property
    def passed(self) -> bool:
        """Whether all is as it must be."""
        return not self.differences


def judge(features: FeastFeatures, history_dir: Path, accepted: Sequence[Seen], late: Sequence[Seen] = ()) -> Verdict:
    """Compare everything.

    Args:
        features: the online features.
        history_dir: the history.
        accepted: the events that count in features, each once.
        late: the events that are in the history alone.
    """
    verdict, once = Verdict(), _Once(features)
    verdict.rows_compared, found = compare_all(once, Recount(accepted))
    verdict.differences += found
    verdict.lost += sum("no row" in line for line in found)
    tables = {name: _read(history_dir, name) for name in SCHEMAS}
    verdict.history_rows = {name: len(table) for name, table in tables.items()}
    _judge_events(verdict, tables[EVENTS], accepted, late)
    _judge_shopper_rows(verdict, tables, accepted)
    for row_type in ROW_TYPES:
        _judge_rows(verdict, once, row_type, tables[row_type.view])
    return verdict


def _read(history_dir: Path, name: str) -> pa.Table:
    parts = [pq.read_table(path, schema=SCHEMAS[name]) for path in part_files(history_dir, name)]
    return pa.concat_tables(parts) if parts else SCHEMAS[name].empty_table()


def _judge_events(verdict: Verdict, table: pa.Table, accepted: Sequence[Seen], late: Sequence[Seen]) -> None:
    wanted = Counter(_told(seen, late=False) for seen in accepted) + Counter(_told(seen, late=True) for seen in late)
    columns = ["event_id", "kind", "user_id", "item_id", "category", "event_time", "late"]
    held = Counter(zip(*(table.column(column).to_pylist() for column in columns), strict=True))
    verdict.lost += verdict.note("history of events: lost", (wanted - held).elements())
    verdict.doubled += verdict.note("history of events: too many", (held - wanted).elements())


def _told(seen: Seen, *, late: bool) -> tuple[Any, ...]:
    return seen.id, seen.kind, seen.user, seen.item, seen.category, datetime.fromtimestamp(seen.t, UTC), late


def _judge_shopper_rows(verdict: Verdict, tables: dict[str, pa.Table], accepted: Sequence[Seen]) -> None:
    """The stream writes a row of the user and one of the session for each event that counts."""
    of_user = Counter(seen.user for seen in accepted)
    users = Counter(tables["user"].column("user_id").to_pylist())
    sessions = Counter(key.removeprefix("user:") for key in tables["session"].column("session_id").to_pylist())
    for view, held in (("user", users), ("session", sessions)):
        verdict.lost += verdict.note(f"history of {view}: row lost", (of_user - held).elements())
        verdict.doubled += verdict.note(f"history of {view}: row too many", (held - of_user).elements())


def _judge_rows(verdict: Verdict, features: _Once, row_type: type[FeatureRow], table: pa.Table) -> None:
    """No two rows of a key have one feature time, and the last one is what the store holds."""
    keys = table.column(row_type.entity).to_pylist()
    times = table.column(EVENT_TIMESTAMP).cast(pa.int64()).to_pylist()
    repeated = Counter(zip(keys, times, strict=True))
    verdict.doubled += verdict.note(
        f"history of {row_type.view}: (key, feature time) more than once",
        (place for place, count in repeated.items() if count > 1),
    )
    last: dict[str, tuple[int, int]] = {}
    for place, (key, time_us) in enumerate(zip(keys, times, strict=True)):
        last[key] = max(last.get(key, (-1, -1)), (time_us, place))
    names = [column.name for column in row_type.columns()]
    ranked = {name for name in names if scores_column(name) in names}
    chosen = list(last)
    for start in range(0, len(chosen), _KEYS_AT_ONCE):
        some = chosen[start : start + _KEYS_AT_ONCE]
        rows = table.take(pa.array([last[key][1] for key in some])).to_pylist()
        for key, row, online in zip(some, rows, features.read(row_type, some), strict=True):
            if online is None:
                verdict.note(f"{row_type.view}: in history, not in the store", [key])
                continue
            wanted = [last[key][0], *(row[name] for name in names)]
            held = [online.feature_time_us, *(getattr(online, name) for name in names)]
            if not _same(_unordered(names, ranked, wanted), _unordered(names, ranked, held)):
                verdict.note(f"{row_type.view} {key}: the last row of the history is not the store's", [wanted, held])


def _unordered(names: Sequence[str], ranked: Collection[str], values: Sequence[Any]) -> list[Any]:
    """Return a row's values with each ranking as pairs of key and score: equal scores may stand in any order."""
    row = dict(zip(names, values[1:], strict=True))
    rankings = [sorted(map(list, zip(row[name], row[scores_column(name)], strict=True))) for name in sorted(ranked)]
    left_out = set(ranked) | {scores_column(name) for name in ranked}
    return [values[0], rankings, [row[name] for name in names if name not in left_out]]


def _same(one: Any, other: Any) -> bool:
    """Equal, sums of decayed weights up to rounding: after a crash their parts may be added in another order."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
    return bool(one == other)


def shown(verdict: Verdict) -> list[str]:
    """Return some of each sort of difference, for people."""
    sorts: Counter[str] = Counter()
    lines = []
    for line in verdict.differences:
        sort = " ".join(line.split()[:3])
        sorts[sort] += 1
        if sorts[sort] <= _SHOWN:
            lines.append(line[:500])
    return lines

"""Whether two installations hold the same.

Decayed scores are sums of floating-point numbers, and the order in which an item's or a category's events come from
several partitions is chance. So the last digits of a score may differ, by a part in 10^12 at most; nothing else may.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from benchmarks.workers.dump import Dump

_SHOWN = 20


class Differences(msgspec.Struct):
    """What was compared, and how much of it differs."""

    rows: int
    events: int
    columns: dict[str, int]
    """View and column, ``row`` where only one side has the row, to the number of rows in which it differs."""
    rounding_only: int
    """Rows of which nothing differs but the last digits of scores."""
    events_lost: int
    events_added: int
    equal: bool
    """Whether nothing differs but the last digits of scores."""
    identical: bool
    """Whether nothing differs at all, to the last bit."""
    shown: list[str]


def compare(one: Dump, other: Dump) -> Differences:
    """Compare every column of every row, and every event."""
    found: Counter[str] = Counter()
    shown: list[str] = []
    compared = rounding_only = differing_rows = 0
    for view, rows in one.rows.items():
        others = other.rows[view]
        for key in rows.keys() | others.keys():
            compared += 1
            row, twin = rows.get(key), others.get(key)
            if row == twin:
                continue
            differing_rows += 1
            if row is None or twin is None:
                found[f"{view}.row"] += 1
                shown.append(f"{view} {key}: only one has a row")
                continue
            differing = [place for place, (a, b) in enumerate(zip(row, twin, strict=True)) if a != b]
            found.update(f"{view}.{one.columns[view][place]}" for place in differing)
            if all(_close(row[place], twin[place]) for place in differing):
                rounding_only += 1
                continue
            shown += [f"{view} {key} {one.columns[view][place]}: {row[place]}; {twin[place]}" for place in differing]
    held, wanted = (Counter(map(msgspec.msgpack.encode, each.events)) for each in (other, one))
    lost, added = (wanted - held).total(), (held - wanted).total()
    return Differences(
        rows=compared,
        events=len(one.events),
        columns=dict(found),
        rounding_only=rounding_only,
        events_lost=lost,
        events_added=added,
        equal=not lost and not added and rounding_only == differing_rows,
        identical=not lost and not added and not differing_rows,
        shown=shown[:_SHOWN],
    )


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-12 * max(abs(one), abs(other))
    return bool(one == other)

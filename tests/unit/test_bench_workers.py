"""How the bench of several workers reads what an installation holds, and compares."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from benchmarks.workers.compare import compare
from benchmarks.workers.dump import Dump, entity_of
from benchmarks.workers.marks import Marks, together


def dump(**changed: Any) -> Dump:
    row = {"feature_time_us": 7, "views": 1, "score": 0.1, "items": ["a", "b"]} | changed
    return Dump({"item": list(row)}, {"item": {"i1": list(row.values())}}, ["event_id", "late"], [["e1", False]])


def test_equal_installations_are_identical() -> None:
    found = compare(dump(), deepcopy(dump()))
    assert (found.identical, found.rows, found.events, found.shown) == (True, 1, 1, [])


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"feature_time_us": 8}, "item.feature_time_us"),
        ({"views": 2}, "item.views"),
        ({"score": 0.2}, "item.score"),
        ({"items": ["b", "a"]}, "item.items"),
    ],
)
def test_every_column_and_the_feature_time_are_compared(changed: dict[str, Any], column: str) -> None:
    found = compare(dump(), dump(**changed))
    assert not found.equal
    assert (found.columns, found.rounding_only) == ({column: 1}, 0)
    assert found.shown


def test_a_difference_in_the_last_digit_is_one_and_is_told_apart() -> None:
    found = compare(dump(), dump(score=0.1 + 1e-16))
    assert (found.identical, found.equal, found.rounding_only) == (False, True, 1)


def test_rows_of_one_side_alone_are_differences() -> None:
    with_more = dump()
    with_more.rows["item"]["i2"] = with_more.rows["item"]["i1"]
    assert compare(dump(), with_more).columns == compare(with_more, dump()).columns == {"item.row": 1}


def test_events_lost_doubled_and_changed_are_counted() -> None:
    doubled, changed, lost = dump(), dump(), dump()
    doubled.events *= 2
    changed.events = [["e1", True]]
    lost.events = []
    counts = [
        (found.events_lost, found.events_added) for found in (compare(dump(), d) for d in (doubled, changed, lost))
    ]
    assert counts == [(0, 1), (1, 1), (1, 0)]
    assert not compare(dump(), doubled).equal


def test_the_entity_is_read_from_a_key_as_feast_makes_it() -> None:
    helpers = pytest.importorskip("feast.infra.online_stores.helpers")
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    key = EntityKey(join_keys=["item_id"], entity_values=[Value(string_val="Größe 38")])
    assert entity_of(helpers._redis_key("liveshelf", key, 3)) == ("item_id", "Größe 38")


@pytest.mark.parametrize(
    "key", [b"", b"liveshelf:items", b"\x01\x00\x00\x00", b"\x01\x00\x00\x00\x02\x00\x00\x00\xff\xff"]
)
def test_other_keys_are_of_no_entity(key: bytes) -> None:
    assert entity_of(key) is None


def test_a_cluster_is_measured_from_its_first_batch_to_its_last_end() -> None:
    took = together([Marks(10.0, 15.0, 4.0, 100.0), Marks(9.0, 14.0, 3.0, 50.0), Marks(None, 16.0, 1.0, 25.0)])
    assert (took["wall_s"], took["cpu_s"], took["peak_rss_mb"]) == (7.0, 8.0, 175.0)

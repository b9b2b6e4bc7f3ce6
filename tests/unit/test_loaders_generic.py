"""Files with our own columns: CSV, JSON lines, Parquet."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.events import InvalidEvent, decode_event
from recommender.loaders import BadRow, LoadedEvent, UnreadableFile, WrongFormat, open_loader


def load(path: Path) -> list[Any]:
    return [loaded.event if isinstance(loaded, LoadedEvent) else loaded for loaded in open_loader("generic", path)]


def write(path: Path, *rows: str) -> Path:
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def test_a_csv_of_three_columns_is_a_list_of_views(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user_id,item_id,event_time", "u1,i1,2026-01-02T03:04:05+01:00")
    (event,) = load(path)
    assert event == {
        "kind": "view",
        "event_id": event["event_id"],
        "event_time": "2026-01-02T03:04:05+01:00",
        "user_id": "u1",
        "item_id": "i1",
    }
    assert decode_event(orjson.dumps(event)).event_time == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)


def test_cells_take_the_types_of_their_fields_and_empty_cells_are_missing_fields(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "kind,event_id,session_id,item_id,item_ids,event_time,category,price_cents,currency,quantity,order_id,"
        "context.device,context.position,slate_id,tags,attributes,title",
        "purchase,e1,s1,i1,,1700000000,Shoes > Running,1999,EUR,2,o1,mobile,0,,,,",
        "exposure,e2,s1,,i1|i2,1700000000500,,,,,,,,slate-1,,,",
        'item_upsert,e3,,i1,,1700000000.25,"[""Shoes""]",,,,,,,,a|b,"{""size"": 43}",Runner',
    )
    purchase, exposure, upsert = load(path)
    for event in (purchase, exposure, upsert):
        decode_event(orjson.dumps(event))
    assert purchase == {
        "kind": "purchase",
        "event_id": "e1",
        "session_id": "s1",
        "item_id": "i1",
        "event_time": "2023-11-14T22:13:20+00:00",
        "category": ["Shoes", "Running"],
        "price_cents": 1999,
        "currency": "EUR",
        "quantity": 2,
        "order_id": "o1",
        "context": {"device": "mobile", "position": 0},
    }
    assert exposure["item_ids"] == ["i1", "i2"]
    assert exposure["event_time"] == "2023-11-14T22:13:20.500000+00:00"
    assert upsert["event_time"] == "2023-11-14T22:13:20.250000+00:00"
    assert (upsert["category"], upsert["tags"], upsert["attributes"]) == (["Shoes"], ["a", "b"], {"size": 43})


def test_what_does_not_parse_stays_as_it_is_for_the_event_rules_to_refuse(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        "kind,user_id,item_id,event_time,quantity",
        "add_to_cart,u1,i1,2026-01-02T03:04:05Z,two",
        "add_to_cart,u1,i1,2026-01-02T03:04:05,2",
        "add_to_cart,u1,,1700000000,2",
    )
    reasons = []
    for event in load(path):
        with pytest.raises(InvalidEvent) as error:
            decode_event(orjson.dumps(event))
        reasons.append(str(error.value))
    assert reasons == [
        "add_to_cart.quantity: Input should be a valid integer; got 'two'",
        "add_to_cart.event_time: Input should have timezone info; got '2026-01-02T03:04:05'",
        "add_to_cart.item_id: Field required",
    ]


def test_tabs_separate_where_the_header_has_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "user_id\titem_id\tevent_time", "u1\ti,1\t1700000000")
    assert load(path)[0]["item_id"] == "i,1"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user,item_id,event_time", "got 'user'"),
        ("user_id,item_id,event_time,price_cents.eur", "got 'price_cents.eur'"),
        ("user_id,item_id,event_time,context.colour", "got 'context.colour'"),
        ("user_id,item_id,event_time,user_id", "column names must differ"),
        ("user_id,event_time,context,context.device", "column names must differ"),
        ("user_id,item_id", "a column event_time is required; got user_id, item_id"),
    ],
)
def test_a_header_that_names_no_event_fields_is_refused_at_once(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(WrongFormat, match=message):
        load(write(tmp_path / "a.csv", header, "1,2,3"))


def test_a_row_of_another_width_is_a_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "user_id,item_id,event_time", "u1,i1,1700000000", "u1,1700000000")
    bad = load(path)[1]
    assert isinstance(bad, BadRow)
    assert bad[1:] == (3, "row: must have 3 columns; got 2", "u1,1700000000")


def test_json_lines_pass_as_they_are_but_for_missing_kind_id_and_epoch_times(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        '{"user_id": "u1", "item_id": "i1", "event_time": 1700000000}',
        '{"kind": "search", "event_id": "e", "user_id": "u1", "query": "boots", "event_time": "2026-01-02T03:04:05Z"}',
        "[1]",
        "{",
    )
    view, search, array, broken = load(path)
    assert (view["kind"], view["event_time"]) == ("view", "2023-11-14T22:13:20+00:00")
    assert search == {
        "kind": "search",
        "event_id": "e",
        "user_id": "u1",
        "query": "boots",
        "event_time": "2026-01-02T03:04:05Z",
    }
    assert (array.line_number, array.reason) == (3, "line: must be a JSON object")
    assert broken.reason.startswith("line: must be JSON (")


def test_parquet_rows_become_events(tmp_path: Path) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
    table = pa.table(
        {
            "kind": ["view", "purchase"],
            "user_id": ["u1", None],
            "session_id": [None, "s1"],
            "item_id": ["i1", "i2"],
            "event_time": pa.array([moment, moment], pa.timestamp("us", "UTC")),
            "category": [["Shoes", "Running"], None],
            "order_id": [None, "o1"],
            "quantity": pa.array([None, 3], pa.int32()),
            "context": [{"device": "mobile", "page": None}, None],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    view, purchase = load(tmp_path / "a.parquet")
    for event in (view, purchase):
        decode_event(orjson.dumps(event))
    assert view["event_time"] == "2026-01-02T03:04:05.678900+00:00"
    assert view["context"] == {"device": "mobile"}
    assert "user_id" not in purchase
    assert purchase["quantity"] == 3
    assert view["event_id"] != purchase["event_id"]


def test_a_parquet_time_without_an_offset_is_refused_by_the_event_rules(tmp_path: Path) -> None:
    times = pa.array([datetime(2026, 1, 2)], pa.timestamp("us"))
    pq.write_table(pa.table({"user_id": ["u"], "item_id": ["i"], "event_time": times}), tmp_path / "a.parquet")
    (event,) = load(tmp_path / "a.parquet")
    with pytest.raises(InvalidEvent, match="timezone"):
        decode_event(orjson.dumps(event))


def test_parquet_files_that_begin_alike_share_no_id(tmp_path: Path) -> None:
    times = pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 2_000, pa.timestamp("us", "UTC"))
    items = [f"item-{number * 7919 % 100_003}" for number in range(2_000)]
    for name in ("1.parquet", "2.parquet"):
        users = [f"{name}-{number}" for number in range(2_000)]
        pq.write_table(pa.table({"item_id": items, "event_time": times, "user_id": users}), tmp_path / name)
    assert (tmp_path / "1.parquet").read_bytes()[:4096] == (tmp_path / "2.parquet").read_bytes()[:4096]
    assert len({event["event_id"] for event in load(tmp_path)}) == 4_000


def test_a_damaged_parquet_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(UnreadableFile, match="is damaged Parquet"):
        load(tmp_path / "a.parquet")


def test_a_folder_of_files_is_read_as_one(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "user_id,item_id,event_time", "u1,i1,1700000000")
    write(tmp_path / "2.jsonl", '{"user_id": "u2", "item_id": "i1", "event_time": 1700000000}')
    assert [event["user_id"] for event in load(tmp_path)] == ["u1", "u2"]

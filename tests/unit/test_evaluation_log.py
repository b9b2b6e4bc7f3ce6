"""Logs for evaluation: which format a file is in, and files of one's own that follow no rule."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recommender.evaluation.log import EmptyLog, Log, read_log
from recommender.events import ItemUpsert, utc_from_us
from recommender.features.interaction import Interaction
from recommender.loaders import MissingFile, UnknownDataset, WrongFormat
from tests.logs import quiet
from tests.unit.loading import lines


def read(path: Path, form: str = "auto") -> Log:
    return read_log(path, form, quiet)


def only(path: Path) -> Interaction:
    (event,) = read(path).events
    assert isinstance(event, Interaction)
    return event


def interactions(log: Log) -> list[Interaction]:
    return [event for event in log.events if isinstance(event, Interaction)]


@pytest.mark.parametrize(
    ("name", "rows", "form"),
    [
        ("a.tsv", ["SessionId\tItemId\tTime", "1\t214536502\t1396860669.277"], "yoochoose"),
        ("a.dat", ["1,2014-04-07T10:51:09.277Z,214536502,0"], "yoochoose"),
        ("a.dat", ["420374,2014-04-06T18:44:58.314Z,214537888,12462,1"], "yoochoose"),
        (
            "a.csv",
            [
                "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
                "536365,85123A,HOLDER,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom",
            ],
            "online_retail",
        ),
        ("a.inter", ["user_id:token\titem_id:token\trating:float\ttimestamp:float", "1\t2\t3\t881250949"], "movielens"),
        ("ua.base", ["1\t1\t5\t874965758"], "movielens"),
        ("ratings.csv", ["userId,movieId,rating,timestamp", "1,1,4.0,964982703"], "movielens"),
        ("a.csv", ["543462,1715,1464116,pv,1511658000"], "taobao"),
        (
            "a.csv",
            [
                "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
                "2019-10-01 00:00:00 UTC,view,44600062,21,,shiseido,35.79,541312140,72d7",
            ],
            "rees46",
        ),
        ("a.jsonl", ['{"session":0,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"}]}'], "otto"),
        (
            "events.csv",
            ["timestamp,visitorid,event,itemid,transactionid", "1433221332117,257597,view,355908,"],
            "retailrocket",
        ),
        ("a.csv", ["user_id,item_id,event_time", "u,i,2020-01-01"], "generic"),
        ("a.jsonl", ['{"session_id": "s", "item_id": "i", "event_time": "2020-01-01"}'], "generic"),
    ],
)
def test_a_format_is_told_by_the_first_line(tmp_path: Path, name: str, rows: list[str], form: str) -> None:
    path = lines(tmp_path / name, *rows)
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    for log in (read(path), read(packed)):
        assert (log.format, len(interactions(log)), log.rejected) == (form, 1, {})


def test_a_file_of_no_known_format_is_refused_with_the_formats_there_are(tmp_path: Path) -> None:
    with pytest.raises(WrongFormat) as error:
        read(lines(tmp_path / "a.csv", "name,age", "x,3"))
    assert str(error.value).partition(": ")[2] == (
        "must be in one of the formats taobao, online_retail, movielens, yoochoose, otto, retailrocket, rees46, "
        "generic, or have columns for user_id or session_id, item_id and event_time (docs/loaders.md lists their other "
        "names); got a first line 'name,age'"
    )
    with pytest.raises(WrongFormat, match="must hold events; it is empty"):
        read(lines(tmp_path / "empty.csv", ""))
    with pytest.raises(UnknownDataset, match="--format: must be auto or one of taobao"):
        read(tmp_path / "a.csv", "csv")
    with pytest.raises(MissingFile):
        read(tmp_path / "b.csv")


def test_a_folder_is_read_if_its_files_are_in_one_format(tmp_path: Path) -> None:
    lines(tmp_path / "1.csv", "user_id,item_id,event_time", "u,i,2020-01-02")
    lines(tmp_path / "2.jsonl", '{"user_id": "u", "item_id": "j", "event_time": "2020-01-01"}')
    lines(tmp_path / "README.md", "# What this is")
    assert [event.item_id for event in interactions(read(tmp_path))] == ["j", "i"]
    assert len(read(tmp_path, "generic").events) == 2
    lines(tmp_path / "3.csv", "543462,1715,1464116,pv,1511658000")
    with pytest.raises(WrongFormat, match="must hold files of one format; got generic, taobao"):
        read(tmp_path)


def test_a_folder_of_a_format_that_import_takes_as_one_file_is_read_too(tmp_path: Path) -> None:
    lines(tmp_path / "1.csv", "1,2,3,pv,1511658000")
    lines(tmp_path / "2.csv", "1,2,3,buy,1511658001")
    assert [event.kind for event in interactions(read(tmp_path))] == ["view", "purchase"]


def test_events_come_in_order_of_time_and_those_of_one_time_as_in_the_file(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "user_id,item_id,event_time", "u,c,3", "u,b,2", "u,a,2", "u,d,1")
    events = interactions(read(path))
    assert [event.item_id for event in events] == ["d", "b", "a", "c"]
    assert [event.number for event in events] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-02T03:04:05+01:00", "2020-01-02T02:04:05+00:00"),
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05+00:00"),
        ("2020-01-02T03:04:05.678", "2020-01-02T03:04:05.678000+00:00"),
        ("2020-01-02 03:04", "2020-01-02T03:04:00+00:00"),
        ("2020-01-02 03:04:05 UTC", "2020-01-02T03:04:05+00:00"),
        ("2020/01/02 03:04:05", "2020-01-02T03:04:05+00:00"),
        ("2020-01-02", "2020-01-02T00:00:00+00:00"),
        ("20200102", "2020-01-02T00:00:00+00:00"),
        ("1577934245", "2020-01-02T03:04:05+00:00"),
        ("1577934245.5", "2020-01-02T03:04:05.500000+00:00"),
        ("1.577934245e9", "2020-01-02T03:04:05+00:00"),
        ("1577934245678", "2020-01-02T03:04:05.678000+00:00"),
        ("1577934245678901", "2020-01-02T03:04:05.678901+00:00"),
        ("1577934245678901234", "2020-01-02T03:04:05.678901+00:00"),
        ("1", "1970-01-01T00:00:01+00:00"),
    ],
)
def test_times_are_read_as_what_they_most_often_are(tmp_path: Path, text: str, moment: str) -> None:
    found = only(lines(tmp_path / "a.csv", "user_id,item_id,event_time", f"u,i,{text}"))
    assert utc_from_us(found.time_us).isoformat() == moment


@pytest.mark.parametrize("text", ["yesterday", "-5", "01/02/2020", "2020-13-01", "12:30"])
def test_a_time_that_cannot_be_read_is_counted_and_left_out(tmp_path: Path, text: str) -> None:
    log = read(lines(tmp_path / "a.csv", "user_id,item_id,event_time", "u,i,5", f"u,i,{text}"))
    assert len(log.events) == 1
    assert sum(log.rejected.values()) == 1
    assert next(iter(log.rejected)).startswith("event_time: must")


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("pv", "view"),
        ("VIEW", "view"),
        ("Page View", "view"),
        ("rating", "view"),
        ("Review", "view"),
        ("", "view"),
        ("clicks", "click"),
        ("cart", "add_to_cart"),
        ("AddToCart", "add_to_cart"),
        ("add_to_cart", "add_to_cart"),
        ("add-to-cart", "add_to_cart"),
        ("fav", "add_to_wishlist"),
        ("buy", "purchase"),
        ("transaction", "purchase"),
        ("Order", "purchase"),
        ("remove_from_cart", "remove_from_cart"),
    ],
)
def test_kinds_are_known_by_their_usual_words(tmp_path: Path, word: str, kind: str) -> None:
    assert only(lines(tmp_path / "a.csv", "user_id,item_id,event_time,kind", f"u,i,5,{word}")).kind == kind


def test_rows_of_an_unknown_kind_are_counted_and_left_out(tmp_path: Path) -> None:
    log = read(lines(tmp_path / "a.csv", "user_id,item_id,event_time,event", "u,i,5,view", "u,i,6,hover", "u,i,7,zoom"))
    assert [event.time_us for event in log.events] == [5_000_000]
    rule = "kind: must be a kind of event, or a usual word for one"
    assert log.rejected == {f"{rule}; got 'hover'": 1, f"{rule}; got 'zoom'": 1}


@pytest.mark.parametrize(
    "header",
    [
        "session_id,item_id,event_time",
        "SessionId,ItemId,Time",
        "session_id:token,item_id:token,timestamp:float",
        "Session,Product ID,Timestamp",
    ],
)
def test_columns_are_known_by_their_usual_names(tmp_path: Path, header: str) -> None:
    found = only(lines(tmp_path / "a.csv", header, "7,9,5"))
    assert (found.session_id, found.item_id, found.user_id) == ("7", "9", "")


def test_the_name_of_the_field_itself_comes_before_its_usual_names(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "timestamp,event_time,user_id,customer,item_id", "9,5,u,c,i")
    log = read(path)
    assert (log.events[0].time_us, interactions(log)[0].user_id) == (5_000_000, "u")
    assert set(log.passed_over) == {"timestamp", "customer"}


def test_columns_that_no_event_has_are_passed_over_and_named(tmp_path: Path) -> None:
    log = read(lines(tmp_path / "a.csv", "user_id,item_id,event_time,rating,helpful votes", "u,i,5,4.0,17"))
    assert len(log.events) == 1
    assert set(log.passed_over) == {"rating", "helpful votes"}


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_cells_may_stand_between_commas_tabs_semicolons_or_bars(tmp_path: Path, separator: str) -> None:
    path = lines(
        tmp_path / "a.txt", separator.join(["user_id", "item_id", "event_time"]), separator.join(["u", "i", "5"])
    )
    assert only(path).item_id == "i"


@pytest.mark.parametrize(("text", "item_id"), [("12", "12"), ("12.0", "12"), ("1.5", "1.5"), (" a b ", "a b")])
def test_ids_may_be_numbers(tmp_path: Path, text: str, item_id: str) -> None:
    assert only(lines(tmp_path / "a.csv", "user_id,item_id,event_time", f"u,{text},5")).item_id == item_id


@pytest.mark.parametrize("empty", ["", "nan", "NULL", "None", " "])
def test_rows_without_an_item_or_a_shopper_are_counted_and_left_out(tmp_path: Path, empty: str) -> None:
    path = lines(
        tmp_path / "a.csv",
        "user_id,session_id,item_id,event_time",
        f"{empty},s,i,5",
        f"u,{empty},i,6",
        f"u,s,{empty},7",
        f"{empty},{empty},i,8",
    )
    log = read(path)
    assert [(e.user_id, e.session_id) for e in interactions(log)] == [("", "s"), ("u", "user:u")]
    assert log.rejected == {
        "view.item_id: Field required": 1,
        "view: at least one of user_id and session_id is required": 1,
    }


def test_a_purchase_has_its_price_and_an_order_made_of_shopper_and_time(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv",
        "user_id,item_id,event_time,kind,quantity,price,currency",
        "u,a,5,buy,2.0,12.50,usd",
        "u,b,5,buy,,,",
        "u,c,6,buy,1,0.005,EUR",
        "u,d,7,view,3,9,",
        "u,e,8,buy,0,1,EUR",
        "u,f,9,buy,1,-1,EUR",
        "u,g,9,buy,1,free,EUR",
    )
    log = read(path)
    a, b, c, d = interactions(log)
    assert (a.quantity, a.price_cents, a.currency) == (2, 1250, "USD")
    assert (b.quantity, b.price_cents, b.currency) == (1, -1, "")
    assert (c.price_cents, d.price_cents, d.currency, d.kind) == (1, 900, "XXX", "view")
    assert a.order_id == b.order_id == "u-1970-01-01T00:00:05+00:00" != c.order_id
    assert log.rejected == {
        "purchase.quantity: Input should be greater than or equal to 1": 1,
        "purchase.price_cents: Input should be greater than or equal to 0": 1,
        "row: amounts must be numbers": 1,
    }


def test_what_only_describes_costs_no_event_when_it_breaks_a_rule(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "user_id,item_id,event_time,brand,context.country", f"u,i,5,{'x' * 300},Germany")
    assert only(path).brand == ""


def test_categories_may_be_paths_lists_or_numbers(tmp_path: Path) -> None:
    rows = ['"Shoes > Running"', "[1, 2]", "7", "null", '" > "']
    path = lines(
        tmp_path / "a.jsonl",
        *(f'{{"user_id": 1, "item_id": 2, "event_time": {n + 1}, "category": {row}}}' for n, row in enumerate(rows)),
    )
    assert [event.category for event in interactions(read(path))] == ["Shoes > Running", "1 > 2", "7", "", ""]


def test_json_lines_may_have_numbers_nulls_and_more_fields(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        '{"user_id": 17, "session_id": null, "item_id": 12.0, "event_time": 1577934245678, "vote": 3, "text": "x"}',
        '{"user": "u", "asin": "B00", "unixReviewTime": 1577934245}',
        "broken",
    )
    log = read(path)
    assert [(e.user_id, e.item_id) for e in interactions(log)] == [("u", "B00"), ("17", "12")]
    assert log.passed_over == ["vote", "text"]
    assert sum(log.rejected.values()) == 1


def test_parquet_has_times_decimals_and_integers_of_its_own(tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "user_id": pa.array([1, 2, 3], pa.int64()),
        "item_id": pa.array([10, 11, None], pa.int32()),
        "event_time": pa.array([datetime(2020, 1, 2, 3, 4, 5)] * 3, pa.timestamp("ms")),
        "kind": ["BUY", "pv", "pv"],
        "price": pa.array([Decimal("12.50"), None, None], pa.decimal128(10, 2)),
        "embedding": [[0.1], [0.2], [0.3]],
    }
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    log = read(tmp_path / "a.parquet")
    bought, seen = interactions(log)
    assert (bought.user_id, bought.item_id, bought.price_cents, bought.kind) == ("1", "10", 1250, "purchase")
    assert utc_from_us(seen.time_us) == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (log.passed_over, log.rejected) == (["embedding"], {"view.item_id: Field required": 1})


def test_a_parquet_date_is_its_first_instant(tmp_path: Path) -> None:
    table = pa.table({"user_id": ["u"], "item_id": ["i"], "event_time": pa.array([date(2020, 1, 2)], pa.date32())})
    pq.write_table(table, tmp_path / "a.parquet")
    assert utc_from_us(only(tmp_path / "a.parquet").time_us) == datetime(2020, 1, 2, tzinfo=UTC)


def test_an_event_id_counts_once(tmp_path: Path) -> None:
    log = read(lines(tmp_path / "a.csv", "event_id,user_id,item_id,event_time", "e,u,i,5", "e,u,i,5", "f,u,i,5"))
    assert len(log.events) == 2
    assert log.rejected == {"event_id: must be unique": 1}


def test_a_file_without_a_valid_event_is_told_with_the_reasons(tmp_path: Path) -> None:
    header = "user_id,item_id,event_time"
    with pytest.raises(
        EmptyLog, match=r"must hold a valid event other than changes of stock; got 2 x view\.item_id: Field required"
    ):
        read(lines(tmp_path / "a.csv", header, "u,,5", "u,,6"))
    with pytest.raises(EmptyLog, match="must hold a valid event other than changes of stock; got no row"):
        read(lines(tmp_path / "a.csv", header))


def test_events_from_the_future_are_rejected_as_an_import_would(tmp_path: Path) -> None:
    log = read(lines(tmp_path / "a.csv", "user_id,item_id,event_time", "u,i,5", "u,i,2999-01-01"))
    assert list(log.rejected) == ["view.event_time: must not be more than 5 minutes ahead of the server's clock"]


def test_catalogue_events_come_along(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "kind,user_id,item_id,event_time,title", "item_upsert,,i,5,Runner", "view,u,i,6,")
    described, seen = read(path).events
    assert isinstance(described, ItemUpsert)
    assert described.title == "Runner"
    assert seen.kind == "view"


def test_changes_of_stock_are_passed_over(tmp_path: Path) -> None:
    """Postage is described as sold out, since a shop does not recommend it; yet users buy it, and rivals may say so."""
    file = tmp_path / "a.csv"
    lines(
        file,
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "536370,POST,POSTAGE,3,2010-12-01 08:45:00,18.0,12583.0,France",
    )
    assert [event.kind for event in read(file).events] == ["item_upsert", "purchase"]


def test_a_log_of_stock_alone_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines(file, '{"kind": "stock_change", "event_time": "2026-11-01T00:00:00Z", "item_id": "a", "stock": 3}')
    with pytest.raises(EmptyLog, match="got changes of stock alone"):
        read(file)

"""Each public format: rows in, events out, and every one of them a valid event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender.loaders import LoadedEvent, WrongFormat, open_loader
from tests.unit.loading import lines, load


def test_taobao(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv",
        "1,10,100,pv,1511658000",
        "1,10,100,cart,1511658001",
        "1,10,100,fav,1511658002",
        "1,10,100,buy,1511658003",
        "1,10,100,sold,1511658004",
        "1,10,100,pv,soon",
        "1,10,100,pv,99999999999999999999",
        "1,10,pv,1511658000",
    )
    about = {"user_id": "1", "item_id": "10", "category": ["100"]}
    assert load("taobao", path) == [
        {"kind": "view", "event_time": "2017-11-26T01:00:00+00:00"} | about,
        {"kind": "add_to_cart", "event_time": "2017-11-26T01:00:01+00:00"} | about,
        {"kind": "add_to_wishlist", "event_time": "2017-11-26T01:00:02+00:00"} | about,
        {"kind": "purchase", "event_time": "2017-11-26T01:00:03+00:00", "order_id": "1-1511658003"} | about,
        (5, "behaviour: must be one of pv, cart, fav, buy; got 'sold'"),
        (6, "time: must be seconds since 1970-01-01 UTC; got 'soon'"),
        (7, "time: must be seconds since 1970-01-01 UTC; got '99999999999999999999'"),
        (8, "row: must have 5 columns; got 4"),
    ]


REES46 = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"


def test_rees46(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.csv",
        REES46,
        "2019-10-01 00:00:00 UTC,view,5,77,electronics.smartphone,apple,1081.985,9,s-1",
        "2019-10-01 00:00:01 UTC,cart,5,77,,,,9,",
        "2019-10-01 00:00:02 UTC,purchase,5,77,,,0.10,9,s-1",
        "2019-10-01 00:00:03 UTC,remove_from_cart,5,77,,,,9,s-1",
        "yesterday,view,5,77,,,1.00,9,s-1",
        "2019-10-01 00:00:00 UTC,view,5,77,,,cheap,9,s-1",
        "2019-10-01 00:00:00 UTC,view,5",
    )
    about = {"user_id": "9", "item_id": "5"}
    assert load("rees46", path) == [
        {
            "kind": "view",
            "event_time": "2019-10-01T00:00:00+00:00",
            "session_id": "s-1",
            "category": ["electronics", "smartphone"],
            "brand": "apple",
            "price_cents": 108199,
            "currency": "USD",
        }
        | about,
        {"kind": "add_to_cart", "event_time": "2019-10-01T00:00:01+00:00", "category": ["77"]} | about,
        {
            "kind": "purchase",
            "event_time": "2019-10-01T00:00:02+00:00",
            "session_id": "s-1",
            "category": ["77"],
            "price_cents": 10,
            "currency": "USD",
            "order_id": "s-1-2019-10-01 00:00:02",
        }
        | about,
        {
            "kind": "remove_from_cart",
            "event_time": "2019-10-01T00:00:03+00:00",
            "session_id": "s-1",
            "category": ["77"],
        }
        | about,
        (6, "event_time: must look like 2019-10-01 00:00:00 UTC; got 'yesterday'"),
        (7, "price: must be an amount such as 12.50; got 'cheap'"),
        (8, "row: must have 9 columns; got 3"),
    ]


def test_a_header_without_the_columns_is_refused_at_once(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", "event_time,event_type", "2019-10-01 00:00:00 UTC,view")
    with pytest.raises(WrongFormat) as error:
        load("rees46", path)
    assert str(error.value) == (
        f"{path}: the first line must name the columns {REES46.replace(',', ', ')}; got 'event_time,event_type'"
    )


RETAIL = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"


def retail(tmp_path: Path, *rows: str) -> list[Any]:
    return load("online_retail", lines(tmp_path / "a.csv", RETAIL, *rows))


def test_online_retail_sales_and_cancellations(tmp_path: Path) -> None:
    assert retail(
        tmp_path,
        '536365,22752,"SET 7 BABUSHKA, BOXES ",2,2010-12-01 08:26:00,7.65,17850.0,United Kingdom',
        "536365,22752,SET 7,1,2010-12-01 08:26:00,7.645,,EIRE",
        "C536379,22752,SET 7,-3,2010-12-01 09:41:00,7.65,14527.0,Unspecified",
    ) == [
        {
            "kind": "item_upsert",
            "event_time": "2010-12-01T08:26:00+00:00",
            "item_id": "22752",
            "title": "SET 7 BABUSHKA, BOXES",
            "price_cents": 765,
            "currency": "GBP",
            "beside": True,
        },
        {
            "kind": "purchase",
            "event_time": "2010-12-01T08:26:00+00:00",
            "order_id": "536365",
            "item_id": "22752",
            "quantity": 2,
            "price_cents": 765,
            "currency": "GBP",
            "user_id": "17850",
            "context": {"country": "GB"},
        },
        {
            "kind": "purchase",
            "event_time": "2010-12-01T08:26:00+00:00",
            "order_id": "536365",
            "item_id": "22752",
            "quantity": 1,
            "price_cents": 765,
            "currency": "GBP",
            "session_id": "invoice:536365",
            "context": {"country": "IE"},
        },
        {
            "kind": "refund",
            "event_time": "2010-12-01T09:41:00+00:00",
            "order_id": "C536379",
            "item_id": "22752",
            "quantity": 3,
            "price_cents": 765,
            "currency": "GBP",
            "user_id": "14527",
        },
    ]


def test_online_retail_leaves_corrections_to_the_event_rules_and_describes_no_item_by_them(tmp_path: Path) -> None:
    path = lines(tmp_path / "a.csv", RETAIL, "536589,21777,damaged,-10,2010-12-01 16:50:00,0.0,,United Kingdom")
    (only,) = list(open_loader("online_retail", path))
    assert isinstance(only, LoadedEvent)
    assert (only.event["kind"], only.event["quantity"]) == ("purchase", -10)


def test_online_retail_postage_is_kept_out_of_every_slate(tmp_path: Path) -> None:
    kinds = [
        (event["kind"], event.get("stock"), event.get("beside", False))
        for event in retail(tmp_path, "536370,POST,POSTAGE,3,2010-12-01 08:45:00,18.00,12583.0,France")
    ]
    assert kinds == [("item_upsert", None, True), ("stock_change", 0, True), ("purchase", None, False)]


def test_online_retail_dirty_numbers_and_times(tmp_path: Path) -> None:
    assert retail(
        tmp_path,
        "1,A,T,1,2010-12-01 08:26:00,1.00,1.0,Malta",
        "1,A,T,1.5,2010-12-01 08:26:00,1.00,1.0,Malta",
        "1,A,T,1,12/1/2010 8:26,1.00,1.0,Malta",
        "1,A,T,1,2010-12-01 08:26:00,nan,1.0,Malta",
    )[2:] == [
        (3, "Quantity: must be a whole number; got '1.5'"),
        (4, "InvoiceDate: must look like 2010-12-01 08:26:00; got '12/1/2010 8:26'"),
        (5, "UnitPrice: must be an amount such as 12.50; got 'nan'"),
    ]


def test_yoochoose_as_published(tmp_path: Path) -> None:
    lines(
        tmp_path / "yoochoose-clicks.dat",
        "1,2014-04-07T10:51:09.277Z,214536502,0",
        "1,2014-04-07T10:54:09.868Z,214536500,S",
        "2,2014-04-07T13:56:37.614Z,214662742,7",
        "2,2014-04-07T13:57:00.000Z,214662742,2089046",
    )
    lines(
        tmp_path / "yoochoose-buys.dat",
        "420374,2014-04-06T18:44:58.314Z,214537888,12462,1",
        "420375,2014-04-06T18:44:58.314Z,214537888,0,0",
        "420376,today,214537888,0,0",
        "420376,2014-04-06T18:44:58.314Z",
    )
    clicks, buys = load("yoochoose", tmp_path)[:4], load("yoochoose", tmp_path)[4:]
    assert clicks[0] == {
        "kind": "view",
        "event_time": "2014-04-07T10:51:09.277000+00:00",
        "session_id": "1",
        "item_id": "214536502",
    }
    assert [(click.get("category"), click.get("brand")) for click in clicks] == [
        (None, None),
        (None, None),
        (["7"], None),
        (None, "2089046"),
    ]
    assert buys[0] == {
        "kind": "purchase",
        "event_time": "2014-04-06T18:44:58.314000+00:00",
        "session_id": "420374",
        "item_id": "214537888",
        "quantity": 1,
        "order_id": "420374-2014-04-06T18:44:58.314Z",
    }
    assert "quantity" not in buys[1]
    assert buys[2:] == [
        (3, "time: must look like 2014-04-07T10:51:09.277Z; got 'today'"),
        (4, "row: must have 4 columns (clicks) or 5 (buys); got 2"),
    ]


def test_yoochoose_as_tab_separated_extract(tmp_path: Path) -> None:
    path = lines(tmp_path / "train.tsv", "SessionId\tItemId\tTime", "3\t214716935\t1396437466.94")
    assert load("yoochoose", path) == [
        {
            "kind": "view",
            "event_time": "2014-04-02T11:17:46.940000+00:00",
            "session_id": "3",
            "item_id": "214716935",
        }
    ]


def test_otto(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "a.jsonl",
        '{"session":0,"events":[{"aid":1,"ts":1659304800025,"type":"clicks"},{"aid":1,"ts":1659304800026,"type":"carts"},'
        '{"aid":1,"ts":1659304800027,"type":"orders"},{"aid":1,"ts":1659304800027,"type":"gift"},{"aid":1}]}',
        "{",
        "[]",
    )
    about = {"session_id": "0", "item_id": "1"}
    found = load("otto", path)
    assert found[:5] == [
        {"kind": "view", "event_time": "2022-07-31T22:00:00.025000+00:00"} | about,
        {"kind": "add_to_cart", "event_time": "2022-07-31T22:00:00.026000+00:00"} | about,
        {"kind": "purchase", "event_time": "2022-07-31T22:00:00.027000+00:00", "order_id": "0-1659304800027"} | about,
        (1, "type: must be one of clicks, carts, orders; got 'gift'"),
        (1, "event: must be an object with aid, ts and type"),
    ]
    assert found[5][0] == 2
    assert found[5][1].startswith("line: must be JSON")
    assert found[6] == (3, "line: must be an object with session and events")


def test_each_event_of_an_otto_session_has_an_id_of_its_own(tmp_path: Path) -> None:
    event = '{"aid":1,"ts":1659304800025,"type":"clicks"}'
    path = lines(tmp_path / "a.jsonl", *[f'{{"session":{n},"events":[{event},{event}]}}' for n in range(3)])
    found = [loaded.event["event_id"] for loaded in open_loader("otto", path) if isinstance(loaded, LoadedEvent)]
    assert len(set(found)) == 6


def test_retailrocket(tmp_path: Path) -> None:
    lines(
        tmp_path / "events.csv",
        "timestamp,visitorid,event,itemid,transactionid",
        "1433221332117,257597,view,355908,",
        "1433221332118,257597,addtocart,355908,",
        "1433221332119,257597,transaction,355908,4000",
        "1433221332119,257597,like,355908,",
    )
    lines(tmp_path / "category_tree.csv", "categoryid,parentid", "1016,213", "213,12", "12,")
    header = "timestamp,itemid,property,value"
    lines(
        tmp_path / "item_properties_part1.csv",
        header,
        "1435460400000,355908,categoryid,9",
        "1435460400000,355908,888,1116713 960601 n277.200",
        "1441508400000,355908,categoryid,1016",
        "1435460400000,7,available,1",
        "never,7,available,1",
    )
    lines(
        tmp_path / "item_properties_part2.csv",
        header,
        "1439694000000,355908,categoryid,8",
        "1441508400000,7,available,0",
    )
    about = {"user_id": "257597", "item_id": "355908"}
    assert load("retailrocket", tmp_path) == [
        (6, "timestamp: must be a whole number; got 'never'"),
        {
            "kind": "item_upsert",
            "event_time": "2015-09-06T03:00:00+00:00",
            "item_id": "355908",
            "category": ["12", "213", "1016"],
            "beside": True,
        },
        {
            "kind": "stock_change",
            "event_time": "2015-09-06T03:00:00+00:00",
            "item_id": "7",
            "stock": 0,
            "beside": True,
        },
        {"kind": "view", "event_time": "2015-06-02T05:02:12.117000+00:00"} | about,
        {"kind": "add_to_cart", "event_time": "2015-06-02T05:02:12.118000+00:00"} | about,
        {"kind": "purchase", "event_time": "2015-06-02T05:02:12.119000+00:00", "order_id": "4000"} | about,
        (5, "event: must be one of view, addtocart, transaction; got 'like'"),
    ]


def test_retailrocket_events_alone(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "events.csv",
        "timestamp,visitorid,event,itemid,transactionid",
        "1433221332117,257597,view,355908,",
    )
    assert [event["kind"] for event in load("retailrocket", path)] == ["view"]

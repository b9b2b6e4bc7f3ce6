"""The loaders on the public data sets themselves, counted against independent counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import NamedTuple

import orjson
import pandas as pd
import pytest

from recommender.events import InvalidEvent, decode_event
from recommender.loaders import BadRow, open_loader


class Counts(NamedTuple):
    accepted: Counter[str]
    refused: Counter[str]
    beside: Counter[str]
    ids: int


def count(dataset: str, path: Path) -> Counts:
    """Decode everything; of rules and bad rows keep the text without its value."""
    accepted, refused, beside = Counter[str](), Counter[str](), Counter[str]()
    ids = set()
    for loaded in open_loader(dataset, path):
        if isinstance(loaded, BadRow):
            refused[loaded.reason.partition("; got")[0]] += 1
            continue
        ids.add(loaded.event["event_id"])
        try:
            kind = decode_event(orjson.dumps(loaded.event)).kind
        except InvalidEvent as error:
            refused[str(error).partition("; got")[0]] += 1
        else:
            (beside if loaded.beside else accepted)[kind] += 1
    return Counts(accepted, refused, beside, len(ids))


@pytest.mark.parametrize(("file", "rows"), [("UserBehavior.csv.gz", 96_168), ("UserBehavior_9d.csv.gz", 84_475)])
def test_every_row_of_taobao_is_accepted(real_data: Path, file: str, rows: int) -> None:
    path = real_data / "taobao" / file
    behaviour = pd.read_csv(path, header=None)[3].value_counts()
    found = count("taobao", path)
    assert found.accepted == {
        "view": behaviour["pv"],
        "add_to_cart": behaviour["cart"],
        "add_to_wishlist": behaviour["fav"],
        "purchase": behaviour["buy"],
    }
    assert found.refused == found.beside == {}
    assert found.ids == rows


def test_online_retail_accepts_and_refuses_as_pandas_counts(real_data: Path) -> None:
    path = real_data / "online_retail" / "online_retail.csv.gz"
    frame = pd.read_csv(path, dtype={"InvoiceNo": str, "StockCode": str}, keep_default_na=False)
    cancelled = frame["InvoiceNo"].str.startswith("C")
    no_units = ~cancelled & (frame["Quantity"] < 1)
    negative = ~cancelled & (frame["Quantity"] >= 1) & (frame["UnitPrice"] < 0)
    sold = ~cancelled & ~no_units & ~negative
    described = frame[sold & (frame["UnitPrice"] >= 0.005) & (frame["Description"].str.strip() != "")]
    found = count("online_retail", path)
    assert found.accepted == {"purchase": sold.sum(), "refund": cancelled.sum()}
    assert found.refused == {
        "purchase.quantity: Input should be greater than or equal to 1": no_units.sum(),
        "purchase.price_cents: Input should be greater than or equal to 0": negative.sum(),
    }
    assert found.beside["item_upsert"] == described["StockCode"].nunique()
    assert sum(found.accepted.values()) + sum(found.refused.values()) == len(frame) == 541_909


@pytest.mark.parametrize(
    ("dataset", "place", "accepted", "beside"),
    [
        ("rees46", "rees46", {"view": 17_055, "add_to_cart": 165, "purchase": 214}, {}),
        ("movielens", "movielens_100k", {"view": 100_000}, {"item_upsert": 1_682}),
        ("movielens", "movielens_100k/ua.base.gz", {"view": 90_570}, {}),
        ("yoochoose", "yoochoose", {"view": 70_278 + 13_568}, {}),
        ("otto", "otto", {"view": 800, "add_to_cart": 52, "purchase": 10}, {}),
    ],
)
def test_every_row_maps_to_a_valid_event(
    real_data: Path, dataset: str, place: str, accepted: dict[str, int], beside: dict[str, int]
) -> None:
    found = count(dataset, real_data / place)
    assert (found.accepted, found.refused, found.beside) == (accepted, {}, beside)
    assert found.ids == sum(accepted.values()) + sum(beside.values())

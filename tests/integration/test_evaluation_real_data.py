"""The questions and the simplest rivals on the public data sets, against independent counts and published figures."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from recommender.evaluation.baselines.lightfm_alone import LightfmPublished
from recommender.evaluation.contestants import CONTESTANTS
from recommender.evaluation.log import read_log
from recommender.evaluation.protocols import Protocol, Question
from recommender.evaluation.run import evaluate
from recommender.evaluation.split import before_the_end, of_two_logs, read_duration_us
from tests.logs import quiet


def test_online_retail_asks_about_the_users_whom_pandas_counts(real_data: Path) -> None:
    path = real_data / "online_retail" / "online_retail.csv.gz"
    split = before_the_end(read_log(path, "auto", quiet).events, read_duration_us("28d"))
    frame = pd.read_csv(path, dtype={"InvoiceNo": str, "StockCode": str}, parse_dates=["InvoiceDate"])
    frame = frame[(frame.Quantity > 0) & (frame.UnitPrice >= 0) & ~frame.InvoiceNo.str.startswith("C")]
    bought = frame[frame.CustomerID.notna() & (frame.UnitPrice > 0)]
    cut = bought.InvoiceDate.max() - pd.Timedelta(days=28)
    before, after = bought[bought.InvoiceDate < cut], bought[bought.InvoiceDate >= cut]
    items = frame.StockCode[frame.InvoiceDate < cut]  # what somebody unknown bought is known too
    after = after[after.CustomerID.isin(before.CustomerID) & after.StockCode.isin(items)]
    had = set(zip(before.CustomerID, before.StockCode, strict=True))
    for new_items_only, users in ((False, 1_317), (True, 1_207)):
        wanted: dict[str, set[str]] = defaultdict(set)
        for user, item in zip(after.CustomerID, after.StockCode, strict=True):
            if not new_items_only or (user, item) not in had:
                wanted[f"{user:.0f}"].add(item)
        steps = Protocol("future", split, new_items_only).steps()
        asked = [step for step in steps if isinstance(step, Question) and step.is_counted]
        assert {step.query.user_id: step.query.targets for step in asked} == wanted
        assert len(asked) == users


def test_next_item_rules_on_yoochoose_have_the_figures_of_a_plain_recount(real_data: Path) -> None:
    train, test = (real_data / "yoochoose" / f"{part}.tsv.gz" for part in ("train", "test"))
    protocol = Protocol("next-item", of_two_logs(*(read_log(path, "auto", quiet).events for path in (train, test))))
    rules: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for visit in _visits(train):
        for place, item in enumerate(visit):
            for step, later in enumerate(visit[place + 1 : place + 11], 1):
                rules[item][later] += 1 / step
    asked = hits = 0
    for visit in _visits(test):
        for before, item in pairwise(visit):
            asked += 1
            hits += item in sorted(rules[before], key=lambda later: -rules[before][later])[:20]
    report = evaluate(protocol, {"next_item": CONTESTANTS["next_item"]}, [20], 1, quiet)
    assert report["queries"] == asked == 10_152
    assert report["users"] == 3_416
    assert report["models"]["next_item"]["hit_rate@20"] == pytest.approx(hits / asked, abs=0.01)


def _visits(path: Path) -> list[list[str]]:
    frame = pd.read_csv(path, sep="\t", dtype={"ItemId": str}).sort_values(["SessionId", "Time"], kind="stable")
    return [list(items) for _, items in frame.groupby("SessionId").ItemId]


def test_lightfm_alone_has_its_published_figures_on_movielens(real_data: Path) -> None:
    folder = real_data / "movielens_100k"
    parts = (read_log(folder / f"ua.{part}.gz", "auto", quiet).events for part in ("base", "test"))
    protocol = Protocol("future", of_two_logs(*parts))
    report = evaluate(protocol, {"lightfm": LightfmPublished}, [10], 1, quiet)
    model = report["models"]["lightfm"]
    assert report["queries"] == 943
    assert round(model["precision@10"], 2) == 0.11
    assert model["auc"] >= 0.90

"""The feature flow on real events: what it holds equals a recount, also after it was killed."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import redis

from recommender.deadletters import RedisDeadLetters
from recommender.eventlog import LogRecord, open_event_log, record_of
from recommender.events import ItemUpsert, StockChange, View, decode_event
from recommender.features import CategoryTrend, ItemActivity, ItemCatalogue, SessionFeatures, UserFeatures
from recommender.history import part_files
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from tests.integration.recount import KINDS, Recount, compare, read_taobao
from tests.integration.stream import Stream, eventually

ROWS = 8_000


def taobao_records(file: Path, rows: int) -> list[LogRecord]:
    """The file's first rows as events, made without the loaders."""
    records = []
    with gzip.open(file, "rt") as lines:
        for number, line in zip(range(1, rows + 1), lines, strict=False):
            user, item, category, behaviour, seconds = line.strip().split(",")
            event = {
                "event_id": f"taobao-{number}",
                "kind": KINDS[behaviour],
                "event_time": datetime.fromtimestamp(int(seconds), UTC).isoformat(),
                "user_id": user,
                "item_id": item,
                "category": [category],
            }
            if behaviour == "buy":
                event["order_id"] = f"{user}-{seconds}"
            records.append(record_of(decode_event(json.dumps(event))))
    return records


def append(settings: Settings, records: list[LogRecord]) -> None:
    log = open_event_log(settings)
    for start in range(0, len(records), 1_000):
        log.append(records[start : start + 1_000])
    log.close()


def history_rows(settings: Settings, table: str, column: str) -> list[str]:
    found: list[str] = []
    for path in part_files(Installation(settings.data_dir).history_dir, table):
        found += pq.read_table(path, columns=[column]).column(column).to_pylist()
    return found


def test_online_features_equal_an_independent_recount_though_the_flow_is_killed_again_and_again(
    log_settings: Settings, real_data: Path
) -> None:
    settings = log_settings
    file = real_data / "taobao" / "UserBehavior.csv.gz"
    apply(settings)
    records = taobao_records(file, ROWS)
    stream, log, chance = Stream(settings), open_event_log(settings), random.Random(1)
    append(settings, records)
    for _ in range(2):
        left = log.lag("features")
        stream.start()
        goal = max(0, left - chance.randint(1_000, 3_000))
        eventually(lambda: log.lag("features") <= goal, 120)  # noqa: B023
        stream.kill()
    append(settings, records[-500:])  # sent again, as after a lost answer
    stream.run_to_the_end()

    compared, found = compare(FeastFeatures.open(settings), Recount(read_taobao(file, ROWS)), seed=1)
    assert found == []
    assert compared > 600
    assert sorted(history_rows(settings, "events", "event_id")) == sorted(f"taobao-{n}" for n in range(1, ROWS + 1))
    assert len(history_rows(settings, "user", "user_id")) == ROWS
    assert len(history_rows(settings, "session", "session_id")) == ROWS


def test_a_poison_event_becomes_a_dead_letter_and_the_flow_goes_on(settings: Settings) -> None:
    apply(settings)
    now = datetime.now(UTC)
    good = [
        ItemUpsert(event_id="c1", event_time=now, item_id="i1", title="Boot", category=("Shoes", "Boots"), brand="B"),
        StockChange(event_id="c2", event_time=now, item_id="i1", stock=0),
        View(event_id="v1", event_time=now, session_id="s1", item_id="i1"),
    ]
    poison = [b"", b"\xff\xfe", b"[]", b"{", b'{"kind":"view"}', b"null", json.dumps({"kind": "x" * 100_000}).encode()]
    future = View(event_id="v2", event_time=now.replace(year=now.year + 1), session_id="s1", item_id="i1")
    append(settings, [LogRecord("shopper", "s1", payload) for payload in poison])
    append(settings, [record_of(event) for event in [*good[:2], future]])
    stream = Stream(settings)
    stream.run_to_the_end()
    append(settings, [record_of(good[2])])
    stream.run_to_the_end()

    features = FeastFeatures.open(settings)
    (item,) = features.read(ItemCatalogue, ["i1"])
    assert item is not None
    assert (item.available, item.stock, item.category, item.brand) == (False, 0, "Shoes > Boots", "B")
    (session,) = features.read(SessionFeatures, ["s1"])
    assert session is not None
    assert (session.views, session.recent_items, session.recent_categories) == (1, ["i1"], ["Shoes > Boots"])
    assert features.read(UserFeatures, ["s1"]) == [None]
    (activity,) = features.read(ItemActivity, ["i1"])
    assert activity is not None
    assert activity.views_5m == 1
    trends = features.read(CategoryTrend, ["Shoes", "Shoes > Boots"])
    assert [trend.trending_items for trend in trends if trend] == [["i1"], ["i1"]]

    letters = RedisDeadLetters(redis.Redis.from_url(str(settings.redis_url)))
    reasons = [letter.reason for letter in letters.list()]
    assert len(reasons) == len(poison) + 1
    assert any("must not be more than 5 minutes ahead" in reason for reason in reasons)

"""What the feature store promises about rows: they come back as written, and never go back in time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import hiredis
import msgspec
import pandas as pd
import pytest
import redis
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recommender.features import (
    ROW_TYPES,
    CategoryTrend,
    FeatureRow,
    ItemActivity,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    UserItems,
    UserPurchases,
    aged,
    implicit_session,
)
from recommender.settings import Settings
from recommender.store import FeastFeatures, Shopper
from recommender.store.codec import RowCodec
from recommender.store.newer import script_calls
from recommender.store.wire import WireFormat
from tests.feature_rows import rows

NOON_US = 1_700_000_000_123_457
_numbers = itertools.count()


@pytest.fixture(scope="module")
def features(redis_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeastFeatures]:
    from recommender.store.repository import apply

    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), redis_url=redis_server)
    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    apply(settings)
    opened = FeastFeatures.open(settings)
    yield opened
    opened.close()


def fresh_key() -> str:
    return f"key {next(_numbers)}"


def session(session_id: str, time_us: int, user_id: str = "") -> SessionFeatures:
    return SessionFeatures(session_id, time_us, user_id, 0, 0.0, 0, 0, 0, [], [], [], [], [], "", "")


def category(key: str, time_us: int, items: list[str]) -> CategoryTrend:
    return CategoryTrend(key, time_us, items, [1.0] * len(items))


def catalogue(item_id: str) -> ItemCatalogue:
    return ItemCatalogue(item_id, NOON_US, False, 0, -1, "", "", "", "", [], "", "", 0)


def activity(item_id: str) -> ItemActivity:
    return ItemActivity(item_id, NOON_US, *[0] * 9, 0.0, 0.0, 0.0, [], [], [], [], [])


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
@hypothesis_settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_row_comes_back_exactly_as_it_was_written(
    features: FeastFeatures, row_type: type[FeatureRow], data: st.DataObject
) -> None:
    stamp = str(next(_numbers))
    written = data.draw(st.lists(rows(row_type), min_size=1, max_size=5, unique_by=lambda row: row.key))
    written = [msgspec.structs.replace(row, **{row.entity: row.key + stamp}) for row in written]

    features.write(written)

    assert features.read(row_type, [row.key for row in written]) == written


@pytest.mark.parametrize("earlier_us", [1, 1_000_000, 86_400_000_000])
def test_an_older_row_is_refused(features: FeastFeatures, earlier_us: int) -> None:
    key = fresh_key()
    features.write([category(key, NOON_US, ["new"])])
    features.write([category(key, NOON_US - earlier_us, ["old"])])
    assert features.read(CategoryTrend, [key]) == [category(key, NOON_US, ["new"])]


def test_a_row_of_the_same_feature_time_is_refused(features: FeastFeatures) -> None:
    key = fresh_key()
    features.write([category(key, NOON_US, ["first"])])
    features.write([category(key, NOON_US, ["second"])])
    assert features.read(CategoryTrend, [key]) == [category(key, NOON_US, ["first"])]


def test_a_row_one_microsecond_newer_replaces_all_values_even_by_empty_ones(features: FeastFeatures) -> None:
    key = fresh_key()
    features.write([category(key, NOON_US, ["a", "b"])])
    features.write([category(key, NOON_US + 1, [])])
    assert features.read(CategoryTrend, [key]) == [category(key, NOON_US + 1, [])]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_several_rows_of_one_key_the_latest_wins_in_whatever_order_they_come(
    features: FeastFeatures, order: list[int]
) -> None:
    key = fresh_key()
    features.write([category(key, NOON_US + at, [str(at)]) for at in order])
    assert features.read(CategoryTrend, [key]) == [category(key, NOON_US + 2, ["2"])]


def test_of_writers_at_the_same_time_the_latest_row_wins(features: FeastFeatures) -> None:
    """As when ``feast materialize`` runs beside the stream."""
    keys, start = [fresh_key() for _ in range(100)], Barrier(4)

    def write(later_us: int) -> None:
        for key in keys:
            start.wait(timeout=60)
            features.write([category(key, NOON_US + later_us, [])])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert features.read(CategoryTrend, keys) == [category(key, NOON_US + 3, []) for key in keys]


def test_a_write_takes_rows_of_several_views_that_share_a_key(features: FeastFeatures) -> None:
    key = fresh_key()
    features.write([catalogue(key), activity(key), session(key, NOON_US)])
    assert features.read(ItemCatalogue, [key]) == [catalogue(key)]
    assert features.read(ItemActivity, [key]) == [activity(key)]
    assert features.read(SessionFeatures, [key]) == [session(key, NOON_US)]
    assert features.read(UserFeatures, [key]) == [None]


def test_unknown_keys_are_none_and_the_order_of_the_keys_is_kept(features: FeastFeatures) -> None:
    known = [fresh_key() for _ in range(3)]
    features.write([category(key, NOON_US, [key]) for key in known])
    asked = [known[2], "unknown", known[0], known[2], "unknown too"]
    assert [row and row.category for row in features.read(CategoryTrend, asked)] == [
        known[2], None, known[0], known[2], None,
    ]  # fmt: skip


def test_an_item_known_to_one_view_only_is_none_in_the_other(features: FeastFeatures) -> None:
    key = fresh_key()
    features.write([activity(key)])
    assert features.read(ItemCatalogue, [key]) == [None]


def test_more_keys_than_one_round_trip_takes_are_written_and_read(features: FeastFeatures) -> None:
    written = [category(fresh_key(), NOON_US + at, [str(at)]) for at in range(1_203)]
    features.write(written)
    assert features.read(CategoryTrend, [row.category for row in written]) == written


def test_nothing_is_written_and_read_without_rows_and_keys(features: FeastFeatures) -> None:
    features.write([])
    assert features.read(UserFeatures, []) == []


def test_the_index_holds_the_items_of_both_item_views_and_nothing_else(features: FeastFeatures) -> None:
    before = set(features.item_ids())
    described, seen, other = fresh_key(), fresh_key() + " ünï,=", fresh_key()
    features.write([catalogue(described), activity(seen), session(other, NOON_US)])
    features.write([catalogue(described)])
    assert set(features.item_ids()) - before == {described, seen}
    assert features.item_ids() == sorted(features.item_ids())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_rows_that_a_feast_user_writes_are_indexed_and_read_too(features: FeastFeatures, asynchronous: bool) -> None:
    written = catalogue(fresh_key())
    values = msgspec.structs.asdict(written) | {"event_timestamp": pd.Timestamp(NOON_US, unit="us", tz="UTC")}
    del values["feature_time_us"]
    store, frame = features._store, pd.DataFrame([values])
    if asynchronous:
        asyncio.run(store.write_to_online_store_async(ItemCatalogue.view, frame))
    else:
        store.write_to_online_store(ItemCatalogue.view, frame)
    assert features.read(ItemCatalogue, [written.item_id]) == [written]
    assert written.item_id in features.item_ids()


def parsed(count: int, bulks: bytes) -> list[bytes]:
    """Bulk strings of Redis' protocol, read by Redis' own parser."""
    reader = hiredis.Reader()
    reader.feed(b"*%d\r\n%b" % (count, bulks))
    found: list[bytes] = reader.gets()
    return found


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
@hypothesis_settings(deadline=None)
@given(data=st.data())
def test_rows_are_laid_out_byte_for_byte_as_feast_does_it(
    features: FeastFeatures, row_type: type[FeatureRow], data: st.DataObject
) -> None:
    row = data.draw(rows(row_type))
    config, table = features._store.config, features._views[row_type.view]
    ((key, arguments),) = script_calls(config, table, [RowCodec(row_type).encode(row)])
    wire = WireFormat(config, table, row_type)
    encoded = wire.row(row)
    assert parsed(1, encoded.key) == [key]
    assert parsed(wire.arguments, encoded.arguments) == [b"%d" % len(arguments), *arguments]


def shopper(features: FeastFeatures, user_id: str | None, session_id: str | None) -> Shopper:
    return asyncio.run(features.read_shopper(user_id, session_id))


def test_a_known_shopper_has_the_user_row_and_both_sessions_the_latest_first(features: FeastFeatures) -> None:
    user_id, session_id = fresh_key(), fresh_key()
    own, named = session(implicit_session(user_id), NOON_US, user_id), session(session_id, NOON_US + 1, user_id)
    user = UserFeatures(user_id, NOON_US, *[0] * 12, 0.0, "", 0.0, [], [], [], [], [])
    items = UserItems(user_id, NOON_US - 1, ["b", "a"], [2, 1], [1, 7])
    purchases = UserPurchases(user_id, NOON_US - 2, ["a"], [2], [5], [1], [3.5])
    features.write([own, named, user, items, purchases])
    alone = Shopper(user, [own], items, purchases, NOON_US)

    assert shopper(features, user_id, session_id) == alone._replace(sessions=[named, own], feature_time_us=NOON_US + 1)
    assert shopper(features, user_id, None) == alone
    assert shopper(features, user_id, implicit_session(user_id)) == alone
    assert shopper(features, user_id, "another session") == alone
    assert shopper(features, None, session_id) == Shopper(None, [named], feature_time_us=NOON_US + 1)
    assert shopper(features, "another user", session_id) == Shopper(None, [named], feature_time_us=NOON_US + 1)


def test_a_shopper_is_read_as_far_as_there_are_rows_and_is_as_new_as_the_newest(features: FeastFeatures) -> None:
    user_id = fresh_key()
    items = UserItems(user_id, NOON_US + 5, ["a"], [1], [1])
    features.write([items])
    assert shopper(features, user_id, None) == Shopper(None, [], items, None, NOON_US + 5)
    assert asyncio.run(features.read_shopper(user_id, None, NOON_US * 2)).items == items


def test_rows_are_read_as_of_the_instant_asked_for_and_as_they_are_stored_without_one(features: FeastFeatures) -> None:
    user_id, later_us = fresh_key(), NOON_US + 2 * 3_600_000_000
    pane = 5 << 20 | 3 << 2  # 5 views, 30 s before the feature time
    stored = UserFeatures(user_id, NOON_US, 5, 5, 5, *[0] * 9, 0.0, "", 0.0, ["Shoes"], [8.0], [], [], [pane])
    visit = session(implicit_session(user_id), NOON_US, user_id)
    visit.events, visit.views, visit.cart_items = 7, 5, ["i1"]
    features.write([stored, visit])

    assert features.read(UserFeatures, [user_id, "nobody"]) == [stored, None]
    (read, nobody) = features.read(UserFeatures, [user_id, "nobody"], later_us)
    assert nobody is None
    assert read is not None
    assert (read.views_5m, read.views_1h, read.views_24h) == (0, 0, 5)
    assert read.top_category_scores == [pytest.approx(8.0 * 2 ** (-2 / (7 * 24)))]

    now = asyncio.run(features.read_shopper(user_id, None, later_us))
    assert now.user == read
    assert [(each.events, each.views, each.cart_items) for each in now.sessions] == [(0, 0, ["i1"])]
    assert now.feature_time_us == NOON_US
    assert shopper(features, user_id, None) == Shopper(stored, [visit], feature_time_us=NOON_US)


def test_what_feast_itself_reads_can_be_aged(features: FeastFeatures) -> None:
    user_id, later_us = fresh_key(), NOON_US + 2 * 3_600_000_000
    features.write([UserFeatures(user_id, NOON_US, 5, 5, 5, *[0] * 9, 0.0, "", 0.0, [], [], [], [], [5 << 20])])
    codec = RowCodec(UserFeatures)

    response = features._store.get_online_features(codec.refs, [{"user_id": user_id}], full_feature_names=True)
    (row,) = codec.decode(response, [user_id])

    assert row is not None
    assert [aged(row, later_us)] == features.read(UserFeatures, [user_id], later_us)
    assert aged(row, later_us).views_1h == 0


@pytest.mark.parametrize(
    ("user_id", "session_id"), [(None, None), ("nobody", None), (None, "none"), ("nobody", "none")]
)
def test_of_an_unknown_shopper_nothing_is_known(
    features: FeastFeatures, user_id: str | None, session_id: str | None
) -> None:
    assert shopper(features, user_id, session_id) == Shopper(None, [])


def test_requests_of_one_process_read_at_the_same_time(features: FeastFeatures) -> None:
    ids = [fresh_key() for _ in range(50)]
    features.write([session(key, NOON_US + at) for at, key in enumerate(ids)])

    async def all_at_once() -> list[Shopper]:
        return await asyncio.gather(*(features.read_shopper(None, key) for key in ids))

    assert [found.sessions[0].session_id for found in asyncio.run(all_at_once())] == ids


def test_rows_that_are_forgotten_are_gone_and_a_later_one_is_written_whatever_its_time(features: FeastFeatures) -> None:
    gone, kept = fresh_key(), fresh_key()
    features.write([session(gone, NOON_US), session(kept, NOON_US)])
    features.forget([(SessionFeatures.entity, gone), (SessionFeatures.entity, "never there")])
    assert features.read(SessionFeatures, [gone, kept]) == [None, session(kept, NOON_US)]
    features.write([session(gone, NOON_US - 1)])
    assert features.read(SessionFeatures, [gone]) == [session(gone, NOON_US - 1)]


def test_with_an_entity_its_rows_of_all_views_are_forgotten(features: FeastFeatures) -> None:
    gone, kept = fresh_key(), fresh_key()
    for user_id in (gone, kept):
        user = UserFeatures(user_id, NOON_US, *[0] * 12, 0.0, "", 0.0, [], [], [], [], [])
        purchases = UserPurchases(user_id, NOON_US, [], [], [], [], [])
        features.write([user, UserItems(user_id, NOON_US, [], [], []), purchases, session(user_id, NOON_US)])
    features.forget([(UserFeatures.entity, gone)])
    for row_type in (UserFeatures, UserItems, UserPurchases):
        assert [row and row.user_id for row in features.read(row_type, [gone, kept])] == [None, kept]
    assert features.read(SessionFeatures, [gone]) == [session(gone, NOON_US)]


def test_rows_are_written_also_when_redis_has_forgotten_the_script(features: FeastFeatures, redis_server: str) -> None:
    row = session(fresh_key(), NOON_US)
    with redis.Redis.from_url(redis_server) as client:
        client.script_flush()
    features.write([row])
    assert features.read(SessionFeatures, [row.session_id]) == [row]


def test_a_refused_write_says_so_and_the_next_one_works(features: FeastFeatures, redis_server: str) -> None:
    row = session(fresh_key(), NOON_US)
    with redis.Redis.from_url(redis_server) as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(redis.ResponseError, match="maxmemory"):
                features.write([row])
        finally:
            client.config_set("maxmemory", 0)
    features.write([row])
    assert features.read(SessionFeatures, [row.session_id]) == [row]

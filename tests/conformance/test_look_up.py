"""Rows decoded straight from Redis are those that Feast itself reads, and a request gets all it wants in one trip."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import msgspec
import pandas as pd
import pytest
import redis
import redis.asyncio
from feast.infra.online_stores.redis import RedisType
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recommender.features import ROW_TYPES, CategoryTrend, FeatureRow, SessionFeatures, UserFeatures, UserItems
from recommender.features.interaction import implicit_session
from recommender.settings import Settings
from recommender.store import FeastFeatures, Shopper
from recommender.store.codec import RowCodec
from recommender.store.look_up import LookUp
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


@pytest.fixture
def client(redis_server: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_server) as client:
        yield client


def fresh_key() -> str:
    return f"key {next(_numbers)}"


def category(key: str, items: list[str], scores: list[float]) -> CategoryTrend:
    return CategoryTrend(key, NOON_US, items, scores)


def session(session_id: str, time_us: int = NOON_US) -> SessionFeatures:
    return SessionFeatures(session_id, time_us, "", 0, 0.0, 0, 0, 0, [], [], [], [], [], "", "")


def look_up(features: FeastFeatures, user_id: str | None, session_id: str | None, *commands: tuple[str, ...]) -> LookUp:
    return asyncio.run(features.look_up(user_id, session_id, commands))


def read_by_feast(features: FeastFeatures, row_type: type[FeatureRow], keys: list[str]) -> list[FeatureRow | None]:
    codec = RowCodec(row_type)
    response = features._store.get_online_features(codec.refs, {row_type.entity: keys}, full_feature_names=True)
    return codec.decode(response, keys)


@pytest.mark.parametrize("row_type", ROW_TYPES, ids=lambda row_type: row_type.view)
@hypothesis_settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_are_those_that_feast_reads(
    features: FeastFeatures, row_type: type[FeatureRow], data: st.DataObject
) -> None:
    stamp = str(next(_numbers))
    written = data.draw(st.lists(rows(row_type), min_size=1, max_size=3, unique_by=lambda row: row.key))
    written = [msgspec.structs.replace(row, **{row.entity: row.key + stamp}) for row in written]
    features.write(written)
    keys = [row.key for row in written] + ["unknown" + stamp]
    assert features.read(row_type, keys) == read_by_feast(features, row_type, keys)


@pytest.mark.parametrize(
    "length", [0, 1, 119, 121, 123, 125, 126, 127, 128, 129, 253, 255, 16_379, 16_383, 16_384, 40_000]
)
def test_values_of_any_length_are_read(features: FeastFeatures, length: int) -> None:
    """The length of a value is written in one byte, two or three."""
    texts, user = category(fresh_key(), ["x" * length, ""], [0.1] * (length // 8)), session(fresh_key())
    user.user_id = "ü" * (length // 2) + "x" * (length % 2)
    user.recent_item_at_ms = [2**63 - 1 - at for at in range(length // 9)]
    features.write([texts, user])
    assert features.read(CategoryTrend, [texts.category]) == [texts]
    assert features.read(SessionFeatures, [user.session_id]) == [user]


def test_a_row_that_lacks_a_column_counts_as_absent(features: FeastFeatures, client: Any) -> None:
    """As after an update that gave the view one more."""
    key = fresh_key()
    features.write([category(key, ["a"], [1.0])])
    reader = features._reader(CategoryTrend)
    client.hdel(reader.hash_key(key), reader.fields[1])
    assert features.read(CategoryTrend, [key]) == read_by_feast(features, CategoryTrend, [key]) == [None]


@pytest.mark.parametrize("field", [1, 2])
def test_a_row_with_a_null_counts_as_absent(features: FeastFeatures, client: Any, field: int) -> None:
    key = fresh_key()
    features.write([category(key, ["a"], [1.0])])
    reader = features._reader(CategoryTrend)
    client.hset(reader.hash_key(key), reader.fields[field], b"")
    assert features.read(CategoryTrend, [key]) == read_by_feast(features, CategoryTrend, [key]) == [None]


@pytest.mark.parametrize("value", [b"\x20\x05", b"\x62\x83\x00\x0a\x01a", b"\x5a\x03\x0a\x01a"])
def test_what_another_writer_lays_out_differently_is_read_as_feast_reads_it(
    features: FeastFeatures, client: Any, value: bytes
) -> None:
    """A number in place of a list, a length in two bytes where one would do, a list of another kind."""
    key = fresh_key()
    features.write([category(key, ["a"], [1.0])])
    reader = features._reader(CategoryTrend)
    client.hset(reader.hash_key(key), reader.fields[1], value)
    assert features.read(CategoryTrend, [key]) == read_by_feast(features, CategoryTrend, [key]) != [None]


def test_rows_that_a_feast_user_writes_are_read(features: FeastFeatures) -> None:
    key = fresh_key()
    values = {"category": key, "trending_items": ["a"], "trending_scores": [1.0]}
    frame = pd.DataFrame([values | {"event_timestamp": pd.Timestamp(NOON_US, unit="us", tz="UTC")}])
    features._store.write_to_online_store(CategoryTrend.view, frame)
    assert features.read(CategoryTrend, [key]) == [category(key, ["a"], [1.0])]


def test_the_answers_to_other_commands_come_with_the_rows(features: FeastFeatures, client: Any) -> None:
    user_id, session_id = fresh_key(), fresh_key()
    features.write([session(implicit_session(user_id)), session(session_id, NOON_US + 1)])
    client.set("speed limit", "30")
    found = look_up(features, user_id, session_id, ("GET", "speed limit"), ("HGETALL", "nothing here"))
    assert found.answers == [b"30", {}]
    assert [row.session_id for row in found.shopper().sessions] == [session_id, implicit_session(user_id)]
    assert look_up(features, None, None, ("GET", "speed limit")).answers == [b"30"]
    assert look_up(features, None, None).shopper() == Shopper(None, [])


def test_a_command_that_redis_refuses_is_an_error(features: FeastFeatures) -> None:
    with pytest.raises(redis.ResponseError):
        look_up(features, None, fresh_key(), ("NONSENSE",))
    assert look_up(features, None, None, ("ECHO", "here")).answers == [b"here"]


def test_the_stamp_is_another_once_any_row_of_the_shopper_is_another(features: FeastFeatures) -> None:
    user_id, session_id = fresh_key(), fresh_key()
    user = UserItems(user_id, NOON_US + 1, [], [], [])
    seen = [look_up(features, user_id, session_id).stamp]
    for row in (
        session(session_id),
        session(session_id, NOON_US + 1),
        session(implicit_session(user_id)),
        UserItems(user_id, NOON_US, [], [], []),
        user,
    ):
        features.write([row])
        seen.append(look_up(features, user_id, session_id).stamp)
        assert look_up(features, user_id, session_id).stamp == seen[-1]
    features.forget([(UserFeatures.entity, user_id)])
    seen.append(look_up(features, user_id, session_id).stamp)
    features.forget([(SessionFeatures.entity, session_id)])
    seen.append(look_up(features, user_id, session_id).stamp)
    assert all(before != after for before, after in pairwise(seen))


def test_the_time_of_what_was_found_is_told_without_decoding_it(features: FeastFeatures) -> None:
    session_id = fresh_key()
    assert look_up(features, None, session_id).feature_time_us == 0
    features.write([session(session_id)])
    found = look_up(features, None, session_id)
    assert found.feature_time_us == found.shopper().feature_time_us == NOON_US


def test_a_cluster_is_asked_by_its_own_client(
    features: FeastFeatures, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose pipeline goes to several servers; one server stands for them here."""
    session_id = fresh_key()
    features.write([session(session_id)])

    async def client(config: object) -> Any:
        return redis.asyncio.Redis.from_url(redis_server)

    monkeypatch.setattr(features._store.config.online_store, "redis_type", RedisType.redis_cluster)
    monkeypatch.setattr(features._online, "_get_client_async", client)
    found = look_up(features, None, session_id, ("ECHO", "here"))
    assert (found.shopper().sessions, found.answers) == ([session(session_id)], [b"here"])

"""Where the feature store lies: the installation's Redis in Feast's notation, and its registry file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.core.FeatureView_pb2 import AVAILABLE_ONLINE, MATERIALIZING
from feast.protos.feast.core.Registry_pb2 import Registry
from feast.repo_config import RegistryConfig
from hypothesis import example, given
from hypothesis import strategies as st

from recommender.features import ROW_TYPES
from recommender.installation import Installation, InstallationStopped
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.connection import feast_connection_string
from recommender.store.registry import InstallationRegistryStore
from recommender.store.repository import NotApplied, apply

TIME_LIMITS = {"socket_timeout": 10.0, "socket_connect_timeout": 5.0}
"""So that a Redis that hangs is not waited for without end."""


def as_feast_reads(url: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    nodes, options = RedisOnlineStore._parse_connection_string(feast_connection_string(url))
    return nodes, options


@pytest.mark.parametrize(
    ("url", "node", "options"),
    [
        ("redis://", {"host": "localhost", "port": "6379"}, {}),
        ("redis://shop.example:7000", {"host": "shop.example", "port": "7000"}, {}),
        ("redis://host:1?socket_connect_timeout=60", {"host": "host", "port": "1"}, {"socket_connect_timeout": 60.0}),
        ("redis://127.0.0.1:6379/3", {"host": "127.0.0.1", "port": "6379"}, {"db": 3}),
        (
            "rediss://ada:p%40ss@host:1/2?socket_timeout=0.5",
            {"host": "host", "port": "1"},
            {"username": "ada", "password": "p@ss", "db": 2, "ssl": True, "socket_timeout": 0.5},
        ),
        (
            "unix:///run/redis.sock?db=1",
            {"host": "localhost", "port": "6379"},
            {"unix_socket_path": "/run/redis.sock", "db": 1},
        ),
    ],
)
def test_an_address_means_the_same_to_feast(url: str, node: dict[str, str], options: dict[str, Any]) -> None:
    assert as_feast_reads(url) == ([node], TIME_LIMITS | options)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
@example("1e5")
@example("true")
@example('a,b=c"d\\')
def test_any_password_reaches_feast_unchanged(password: str) -> None:
    assert as_feast_reads(f"redis://:{quote(password, safe='')}@host:1/0")[1]["password"] == password


def test_an_address_that_is_not_one_of_redis_is_refused() -> None:
    with pytest.raises(ValueError, match="redis_url: must be an address like redis://host:6379/0"):
        feast_connection_string("http://host")


def test_an_ipv6_address_is_refused_with_a_hint() -> None:
    with pytest.raises(ValueError, match="give the host a name; got '::1'"):
        feast_connection_string("redis://[::1]:6379/0")


def test_rows_lie_in_the_database_that_the_address_names(settings: Settings, redis_url: str) -> None:
    other = redis_url.removesuffix("/0") + "/5"
    settings = settings.model_copy(update={"redis_url": other})
    apply(settings)
    features = FeastFeatures.open(settings)
    from tests.conformance.test_feature_store import catalogue

    features.write([catalogue("a")])
    with redis.Redis.from_url(redis_url) as here, redis.Redis.from_url(other) as there:
        assert (here.dbsize(), there.dbsize()) == (0, 2)
    features.close()


def test_a_store_without_a_registry_says_what_to_run_and_makes_none(settings: Settings) -> None:
    with pytest.raises(NotApplied, match=r"run `feast apply` in .*feature_repo"):
        FeastFeatures.open(settings)
    assert not Installation(settings.data_dir).registry_path.exists()


def test_applying_again_keeps_the_registry(settings: Settings) -> None:
    apply(settings)
    apply(settings)
    assert FeastFeatures.open(settings).item_ids() == []


def test_a_materialization_under_way_or_killed_leaves_no_view_unservable(tmp_path: Path) -> None:
    store = InstallationRegistryStore(RegistryConfig(path=str(tmp_path / "sub" / "registry.db")), None)
    registry = Registry()
    for state in (MATERIALIZING, AVAILABLE_ONLINE):
        registry.feature_views.add().meta.state = state
    store.update_registry_proto(registry)
    assert [view.meta.state for view in store.get_registry_proto().feature_views] == [0, 0]
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["registry.db"]
    store.teardown()
    with pytest.raises(FileNotFoundError):
        store.get_registry_proto()


def test_no_two_columns_of_an_entity_share_a_field_of_its_redis_hash() -> None:
    """Feast names the fields by 32 bits of a hash."""
    fields = Counter(
        (row_type.entity, _mmh3(f"{row_type.view}:{column.name}"))
        for row_type in ROW_TYPES
        for column in row_type.columns()
    )
    assert max(fields.values()) == 1


def test_the_store_of_a_stopped_installation_can_be_applied_but_is_nobody_elses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVESHELF_REDIS_URL", raising=False)
    stopped = Settings(data_dir=tmp_path, redis_url=None)
    Installation(tmp_path).redis_dir.mkdir()
    apply(stopped)
    with pytest.raises(InstallationStopped, match="start it with `liveshelf up`"):
        FeastFeatures.open(stopped).item_ids()

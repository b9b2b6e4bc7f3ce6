"""Feast's Redis online store, placed at the installation's Redis, with an index of the items it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar

import redis
from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _redis_key
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from pydantic import Field, StrictStr

from recommender.features import FeatureRow, ItemCatalogue
from recommender.installation import InstallationStopped
from recommender.redis_line import Line, pack
from recommender.settings import Settings
from recommender.store.codec import RowCodec
from recommender.store.connection import STOPPED, installation_connection
from recommender.store.newer import ROWS_PER_CALL, WRITE_IF_NEWER, Call, Row, batches, script_calls
from recommender.store.send import WireCommand, send
from recommender.store.unwire import RowReader
from recommender.store.wire import WireFormat

R = TypeVar("R", bound=FeatureRow)

_PATIENCE_S = 10.0

Command = tuple[bytes | str, ...]
"""Of Redis: its name and arguments."""


class LiveshelfOnlineStoreConfig(RedisOnlineStoreConfig):
    """Feast's Redis settings, whose connection is the installation's unless the file names one."""

    type: Literal["recommender.store.online.LiveshelfOnlineStore"] = "recommender.store.online.LiveshelfOnlineStore"
    connection_string: StrictStr = Field(default_factory=lambda: installation_connection(Settings()))


class LiveshelfOnlineStore(RedisOnlineStore):
    """Keeps a Redis set of the ids of all items with a row, whether the stream writes it or a materialization.

    The pipelines of a Redis Cluster take no scripts: there Feast's own check is used, which wants one writer for a key.
    """

    _loop: asyncio.AbstractEventLoop | None = None

    def __init__(self) -> None:
        super().__init__()
        self._wires: dict[type[FeatureRow], WireFormat] = {}
        self._readers: dict[type[FeatureRow], RowReader[Any]] = {}
        self._line: Line | None = None

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write the rows that are newer than what is stored, and note their items."""
        client = self._get_client(config.online_store)
        if config.online_store.redis_type is RedisType.redis_cluster:
            super().online_write_batch(config, table, data, progress)
            if data and _is_of_items(table):
                client.sadd(item_index(config), *_ids(data))
            return
        self._write_calls(config, list(script_calls(config, table, data)), _ids(data) if _is_of_items(table) else [])
        if progress:
            progress(len(data))

    def write_rows(self, config: RepoConfig, tables: Mapping[str, FeatureView], rows: Sequence[FeatureRow]) -> None:
        """Write rows of any views that are newer than what is stored, and note their items; two trips to Redis."""
        if config.online_store.redis_type is RedisType.redis_cluster:
            for view, table in tables.items():
                batch = [RowCodec(type(row)).encode(row) for row in rows if row.view == view]
                self.online_write_batch(config, table, batch, None)
            return
        client = self._get_client(config.online_store)
        send(client, self._commands(config, tables, rows))
        item_ids = [row.key for row in rows if row.entity == ItemCatalogue.entity]
        if item_ids:
            client.sadd(item_index(config), *item_ids)

    def _commands(
        self, config: RepoConfig, tables: Mapping[str, FeatureView], rows: Sequence[FeatureRow]
    ) -> Iterator[WireCommand]:
        for start in range(0, len(rows), ROWS_PER_CALL):
            command = WireCommand(WRITE_IF_NEWER)
            for row in rows[start : start + ROWS_PER_CALL]:
                command.add(self._wire(config, tables[row.view], type(row)), row)
            yield command

    def read_rows(self, config: RepoConfig, reader: RowReader[R], keys: Sequence[str]) -> list[R | None]:
        """Return the rows of these keys, in their order, in one trip to Redis; None where nothing is stored."""
        with self._get_client(config.online_store).pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hmget(reader.hash_key(key), reader.fields)
            answers = pipe.execute()
        return [reader.decode(key, values) for key, values in zip(keys, answers, strict=True)]

    async def ask(
        self, config: RepoConfig, rows: Sequence[tuple[RowReader[Any], str]], commands: Sequence[Command]
    ) -> list[Any]:
        """Return the values of these rows and the answers to these commands, in one trip to Redis."""
        if not rows and not commands:
            return []
        client = await self._get_client_async(config.online_store)
        if config.online_store.redis_type is RedisType.redis_cluster:
            async with client.pipeline(transaction=False) as pipe:
                for reader, key in rows:
                    pipe.execute_command("HMGET", reader.hash_key(key), *reader.fields)
                for command in commands:
                    pipe.execute_command(*command)
                answers: list[Any] = await pipe.execute()
            return answers
        if self._line is None:
            pool = client.connection_pool
            self._line = Line(pool.make_connection, pool.connection_kwargs.get("socket_timeout") or _PATIENCE_S)
        packed = [reader.command(key) for reader, key in rows]
        packed += [pack(command) for command in commands]
        replies = await self._line.ask(b"".join(packed), len(packed))
        for reply in replies:
            if isinstance(reply, redis.ResponseError):
                raise reply
        for place, command in enumerate(commands, len(rows)):
            understand = client.response_callbacks.get(_name(command))
            if understand is not None:
                replies[place] = understand(replies[place])
        return replies

    def reader(self, config: RepoConfig, table: FeatureView, row_type: type[R]) -> RowReader[R]:
        """Return what reads the rows of a view."""
        reader = self._readers.get(row_type)
        if reader is None:
            reader = self._readers[row_type] = RowReader(config, table, row_type)
        return reader

    def forget_rows(self, config: RepoConfig, entities: Iterable[tuple[str, str]]) -> None:
        """Remove all that is stored of entities, each given by kind and id: one hash holds the rows of all views."""
        client = self._get_client(config.online_store)
        with client.pipeline(transaction=False) as pipe:
            for entity, key in entities:
                pipe.unlink(_entity_key(config, entity, key))
            pipe.execute()

    def _write_calls(self, config: RepoConfig, calls: Sequence[Call], item_ids: list[str]) -> None:
        client = self._get_client(config.online_store)
        write_if_newer = client.register_script(WRITE_IF_NEWER)
        with client.pipeline(transaction=False) as pipe:
            for keys, arguments in batches(calls):
                write_if_newer(keys, arguments, client=pipe)
            if item_ids:
                pipe.sadd(item_index(config), *item_ids)
            pipe.execute()

    def _wire(self, config: RepoConfig, table: FeatureView, row_type: type[FeatureRow]) -> WireFormat:
        wire = self._wires.get(row_type)
        if wire is None:
            wire = self._wires[row_type] = WireFormat(config, table, row_type)
        return wire

    async def online_write_batch_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write the rows that are newer than what is stored, and note their items."""
        client = await self._get_client_async(config.online_store)
        if config.online_store.redis_type is RedisType.redis_cluster:
            await super().online_write_batch_async(config, table, data, progress)
            if data and _is_of_items(table):
                await client.sadd(item_index(config), *_ids(data))
            return
        write_if_newer = client.register_script(WRITE_IF_NEWER)
        async with client.pipeline(transaction=False) as pipe:
            for keys, arguments in batches(list(script_calls(config, table, data))):
                await write_if_newer(keys, arguments, client=pipe)
            if data and _is_of_items(table):
                pipe.sadd(item_index(config), *_ids(data))
            await pipe.execute()
        if progress:
            progress(len(data))

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Any]) -> None:
        """Remove all rows and the index."""
        super().teardown(config, tables, entities)
        self._get_client(config.online_store).delete(item_index(config))

    def item_ids(self, config: RepoConfig) -> list[str]:
        """Return the ids of all items that have a row, sorted."""
        members = self._get_client(config.online_store).sscan_iter(item_index(config), count=10_000)
        return sorted({member.decode() for member in members})

    def item_count(self, config: RepoConfig) -> int:
        """Return how many items have a row."""
        count: int = self._get_client(config.online_store).scard(item_index(config))
        return count

    def _get_client(self, online_store_config: Any) -> Any:
        """Return the client of this process.

        Raises:
            InstallationStopped: the installation's own Redis does not run.
        """
        if online_store_config.connection_string == STOPPED:
            raise InstallationStopped(
                "feature store: the installation's Redis must run; start it with `liveshelf up`, "
                "or name another with LIVESHELF_REDIS_URL"
            )
        return super()._get_client(online_store_config)

    async def _get_client_async(self, online_store_config: Any) -> Any:
        """Return a client of the running event loop; one made in another loop cannot be used in this."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._client_async, self._line, self._loop = None, None, loop
        return await super()._get_client_async(online_store_config)

    def close(self) -> None:
        """Close the connections; those of an event loop that has ended are closed already."""
        if self._line is not None and self._loop is not None and not self._loop.is_closed():
            self._line.close()
        client = getattr(self, "_client", None)
        if client is not None:
            client.close()
            self._client = None


def item_index(config: RepoConfig) -> str:
    """Return the Redis key of the set of item ids."""
    return f"{config.project}:items"


def _entity_key(config: RepoConfig, entity: str, entity_id: str) -> bytes:
    value = Value(string_val=entity_id)
    entity_key = EntityKey(join_keys=[entity], entity_values=[value])
    return _redis_key(config.project, entity_key, config.entity_key_serialization_version)


def _name(command: Command) -> str:
    name = command[0]
    return name.decode().upper() if isinstance(name, bytes) else name.upper()


def _is_of_items(table: FeatureView) -> bool:
    return list(table.join_keys) == [ItemCatalogue.entity]


def _ids(data: list[Row]) -> list[str]:
    return [entity_key.entity_values[0].string_val for entity_key, _, _, _ in data]

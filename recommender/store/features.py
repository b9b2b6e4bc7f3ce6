"""Online features: rows of the feature views, written and read through Feast."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from recommender.features import ROW_TYPES, FeatureRow, aged
from recommender.features.shopper import Shopper
from recommender.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from feast import FeatureStore

    from recommender.store.codec import RowCodec
    from recommender.store.look_up import LookUp
    from recommender.store.online import Command
    from recommender.store.unwire import RowReader

R = TypeVar("R", bound=FeatureRow)

_KEYS_PER_READ = 500
_ROWS_PER_WRITE = 1_000
_WRITERS = 2


class FeastFeatures:
    """The feature views of an installation. One for each process, shared by its threads; made by ``open``."""

    def __init__(self, store: FeatureStore, codecs: dict[str, RowCodec[Any]]) -> None:
        self._store = store
        self._codecs = codecs
        self._views = {view: store.get_feature_view(view) for view in codecs}
        self._online = store._get_provider().online_store
        self._writers = ThreadPoolExecutor(_WRITERS, thread_name_prefix="feature-writer")

    @classmethod
    def open(cls, settings: Settings) -> FeastFeatures:
        """Load Feast, which takes seconds, and open the installation's feature store.

        Raises:
            NotApplied: ``feast apply`` has not run for this data folder.
        """
        from recommender.store.codec import RowCodec
        from recommender.store.repository import open_applied_store

        return cls(open_applied_store(settings), {row_type.view: RowCodec(row_type) for row_type in ROW_TYPES})

    def write(self, rows: Sequence[FeatureRow], *, distinct: bool = False) -> None:
        """Write rows of any views, of each key the latest; rows not newer than what is stored are left out.

        Args:
            rows: what to write.
            distinct: there is one row of each key.
        """
        newest = rows if distinct else _latest(rows)
        starts = range(0, len(newest), _ROWS_PER_WRITE)
        # While Redis stores what one thread has sent, the other encodes.
        for written in [
            self._writers.submit(
                self._online.write_rows, self._store.config, self._views, newest[start : start + _ROWS_PER_WRITE]
            )
            for start in starts
        ]:
            written.result()

    def forget(self, entities: Iterable[tuple[str, str]]) -> None:
        """Remove all rows, of every view, of these entities, each given by kind (``user_id``) and id."""
        self._online.forget_rows(self._store.config, entities)

    def read(self, row_type: type[R], keys: Sequence[str], now_us: int | None = None) -> list[R | None]:
        """Return the rows of these keys, in their order; None where nothing is stored.

        Args:
            row_type: the view.
            keys: ids of the view's entity.
            now_us: as of when the rows are to hold; without it each is as it is stored, as of its feature time.
        """
        reader = self._reader(row_type)
        rows: list[R | None] = []
        for start in range(0, len(keys), _KEYS_PER_READ):
            rows += self._online.read_rows(self._store.config, reader, keys[start : start + _KEYS_PER_READ])
        return rows if now_us is None else [row and aged(row, now_us) for row in rows]

    async def read_shopper(self, user_id: str | None, session_id: str | None, now_us: int | None = None) -> Shopper:
        """Return what is known of a shopper, in one round trip to Redis; for ``now_us`` see ``read``."""
        return (await self.look_up(user_id, session_id)).shopper(now_us)

    async def look_up(self, user_id: str | None, session_id: str | None, commands: Sequence[Command] = ()) -> LookUp:
        """Ask for a shopper's rows, and anything else, in one round trip to Redis.

        Args:
            user_id: a known user, whose implicit session is asked for too.
            session_id: the session named, if there is one.
            commands: of Redis, whose answers are wanted too; they are no transaction. An error is raised.
        """
        from recommender.store.look_up import LookUp, places

        rows = places(self._reader, user_id, session_id)
        return LookUp(rows, await self._online.ask(self._store.config, rows, commands))

    def _reader(self, row_type: type[R]) -> RowReader[R]:
        reader: RowReader[R] = self._online.reader(self._store.config, self._views[row_type.view], row_type)
        return reader

    def history_batches(self, entity_rows: pa.Table, row_types: Sequence[type[FeatureRow]]) -> Iterator[pa.Table]:
        """Add to entity rows the columns of each view, ``view__column``, that were the latest at each row's timestamp.

        Args:
            entity_rows: the ids of the views' entities, ``event_timestamp`` as timestamp[us, UTC], and any other
                columns, which pass through.
            row_types: the views to join, from history.

        Yields:
            The same rows in their order, some at a time, also with ``view__event_timestamp``, the feature time as of
            which the columns hold; null where a view had no row of the entity yet.
        """
        refs = [ref for row_type in row_types for ref in self._codecs[row_type.view].refs]
        frame = entity_rows.to_pandas()
        job = self._store.get_historical_features(entity_df=frame, features=refs, full_feature_names=True)
        yield from job.batches()

    def item_ids(self) -> list[str]:
        """Return the ids of all items that have a row, sorted."""
        ids: list[str] = self._online.item_ids(self._store.config)
        return ids

    def item_count(self) -> int:
        """Return how many items have a row."""
        count: int = self._online.item_count(self._store.config)
        return count

    def close(self) -> None:
        """Close the connections to Redis."""
        self._writers.shutdown()
        self._online.close()


def _latest(rows: Sequence[FeatureRow]) -> list[FeatureRow]:
    latest: dict[tuple[str, str], FeatureRow] = {}
    for row in rows:
        place = (row.view, row.key)
        known = latest.get(place)
        if known is None or row.time_us > known.time_us:
            latest[place] = row
    return list(latest.values())

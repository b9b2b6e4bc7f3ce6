"""Looks when the rows of markers can be read: ``python -m benchmarks.stream.reader``, driven by lines of JSON.

It asks Redis for the very field that makes a row exist for Feast, the row's timestamp in the hash of its entity, which
is written in one step with the values. Keys and fields are made by Feast's own functions. At the end it reads the last
markers through Feast, and counts those it gets in full.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Any

import msgspec
import redis
from feast.infra.online_stores.helpers import _redis_key
from feast.infra.online_stores.redis import _versioned_fv_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from benchmarks.stream.load import marker_id
from recommender.features import FeatureRow, SessionFeatures, UserFeatures, implicit_session
from recommender.installation import resolve_redis_url
from recommender.settings import Settings
from recommender.store import FeastFeatures
from recommender.store.repository import open_applied_store

_POLL_S = 0.004
_MOST_AT_ONCE = 100
"""Markers looked for in one poll, in turn, so that a flow that falls behind is not slowed by the reader as well."""
_READ_THROUGH_FEAST = 50


class Plan(msgspec.Struct):
    """A load that is about to run."""

    label: str
    begins: float
    markers: int
    every_s: float
    seconds: float
    patience_s: float


class Reader:
    """Reads the rows of one installation."""

    def __init__(self, settings: Settings) -> None:
        self._redis: Any = redis.Redis.from_url(resolve_redis_url(settings))
        self._features = FeastFeatures.open(settings)
        store = open_applied_store(settings)
        self._config = store.config
        self._stamps: dict[type[FeatureRow], bytes] = {
            row_type: f"_ts:{_versioned_fv_name(store.get_feature_view(row_type.view), store.config)}".encode()
            for row_type in (UserFeatures, SessionFeatures)
        }

    def follow(self, plan: Plan) -> dict[str, Any]:
        """Return when each marker was first seen; those due are looked for every 4 ms."""
        markers = [marker_id(plan.label, number) for number in range(plan.markers)]
        places = {marker: self._places(marker) for marker in markers}
        seen: dict[str, float] = {}
        waiting: deque[str] = deque()
        due, polls_ms_max = 0, 0.0
        until = plan.begins + plan.seconds + plan.patience_s
        while len(seen) < len(markers) and (started := time.monotonic()) < until:
            while due < len(markers) and plan.begins + due * plan.every_s <= started:
                waiting.append(markers[due])
                due += 1
            if waiting:
                looked_for = [waiting.popleft() for _ in range(min(len(waiting), _MOST_AT_ONCE))]
                found = self._look([places[marker] for marker in looked_for])
                moment = time.monotonic()
                seen.update((marker, moment) for marker, there in zip(looked_for, found, strict=True) if there)
                waiting.extend(marker for marker, there in zip(looked_for, found, strict=True) if not there)
                polls_ms_max = max(polls_ms_max, 1_000 * (moment - started))
            time.sleep(max(0.0, _POLL_S - (time.monotonic() - started)))
        return {"seen": seen, "verified": self._read_through_feast(markers), "polls_ms_max": polls_ms_max}

    def _places(self, marker: str) -> list[tuple[bytes, bytes]]:
        """Return keys and fields of the marker's rows: the user's and the session's."""
        keys: dict[type[FeatureRow], str] = {UserFeatures: marker, SessionFeatures: implicit_session(marker)}
        return [(self._key(row_type.entity, key), self._stamps[row_type]) for row_type, key in keys.items()]

    def _key(self, entity: str, key: str) -> bytes:
        entity_key = EntityKey(join_keys=[entity], entity_values=[Value(string_val=key)])
        made: bytes = _redis_key(self._config.project, entity_key, self._config.entity_key_serialization_version)
        return made

    def _look(self, places: list[list[tuple[bytes, bytes]]]) -> list[bool]:
        """Tell of each marker whether all its rows are there."""
        with self._redis.pipeline(transaction=False) as pipeline:
            for rows in places:
                for key, field in rows:
                    pipeline.hexists(key, field)
            answers = iter(pipeline.execute())
        return [[next(answers) for _ in rows].count(False) == 0 for rows in places]

    def _read_through_feast(self, markers: list[str]) -> int:
        """Return how many of the last markers have a whole user row with their one view in it."""
        rows = self._features.read(UserFeatures, markers[-_READ_THROUGH_FEAST:])
        return sum(row is not None and row.views_24h >= 1 for row in rows)


def main() -> None:
    """Follow one plan after another, until there are no more."""
    reader = Reader(Settings())
    _say({"ready": True})
    for line in sys.stdin.buffer:
        _say(reader.follow(msgspec.json.decode(line, type=Plan)))


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

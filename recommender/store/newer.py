"""Writing rows to Feast's Redis hashes, each only if it is newer than what is stored; checked and written in one step.

Feast's own write reads the stored times, compares, then writes. Between the two another writer can store a newer row,
which would then be lost: the stream's, while ``feast materialize`` runs. Here Redis compares as it writes. The layout
of the hashes is Feast's, which reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3, _redis_key
from feast.infra.online_stores.redis import _versioned_fv_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import make_tzaware
from google.protobuf.timestamp_pb2 import Timestamp

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
"""Entity, values, event timestamp, creation timestamp: what Feast hands to an online store."""

Call = tuple[bytes, list[bytes]]
"""A row as ``WRITE_IF_NEWER`` takes it: key of the hash; name and value of the timestamp, then of each feature."""

ROWS_PER_CALL = 200
"""Redis serves nobody else during a call, here for some 3 ms; and it makes its file durable after each."""

WRITE_IF_NEWER = """
-- KEYS: hashes of entities. ARGV: for each of them how many arguments are its own, then these: name and value of the
-- timestamp's field, then of each feature's.
local function seconds_and_nanos(stamp)  -- of a protobuf Timestamp: fields 1 and 2, both varints
  local read, at = {0, 0}, 1
  while at <= #stamp do
    local field, value, scale, byte = (string.byte(stamp, at) - string.byte(stamp, at) % 8) / 8, 0, 1, 0
    repeat
      at = at + 1
      byte = string.byte(stamp, at)
      value = value + byte % 128 * scale
      scale = scale * 128
    until byte < 128
    read[field] = value
    at = at + 1
  end
  return read[1], read[2]
end

local function is_newer(stamp, stored)
  local old_seconds, old_nanos = seconds_and_nanos(stored)
  local seconds, nanos = seconds_and_nanos(stamp)
  return seconds > old_seconds or (seconds == old_seconds and nanos > old_nanos)
end

local first = 2
for _, key in ipairs(KEYS) do
  local last = first + tonumber(ARGV[first - 1]) - 1
  local stored = redis.call('HGET', key, ARGV[first])
  if not stored or is_newer(ARGV[first + 1], stored) then
    redis.call('HSET', key, unpack(ARGV, first, last))
  end
  first = last + 2
end
"""


def script_calls(config: RepoConfig, table: FeatureView, data: list[Row]) -> Iterator[Call]:
    """Return each row of Feast's as it goes to ``WRITE_IF_NEWER``."""
    view = _versioned_fv_name(table, config)
    for entity_key, values, event_timestamp, _ in data:
        stamp = Timestamp()
        stamp.FromDatetime(make_tzaware(event_timestamp))
        arguments = [f"_ts:{view}".encode(), stamp.SerializeToString()]
        for name, value in values.items():
            arguments += (_field(view, name), value.SerializeToString())
        yield _redis_key(config.project, entity_key, config.entity_key_serialization_version), arguments


def batches(calls: Sequence[Call]) -> Iterator[tuple[list[bytes], list[bytes]]]:
    """Return the keys and the arguments of each call of the script that these rows need."""
    for start in range(0, len(calls), ROWS_PER_CALL):
        keys: list[bytes] = []
        arguments: list[bytes] = []
        for key, own in calls[start : start + ROWS_PER_CALL]:
            keys.append(key)
            arguments.append(b"%d" % len(own))
            arguments += own
        yield keys, arguments


@cache
def _field(view: str, feature: str) -> bytes:
    field: bytes = _mmh3(f"{view}:{feature}")
    return field

"""Writing rows to Feast's Redis hashes, each only if it is newer than what is stored; checked and written in one step.

Feast's own write reads the stored times, compares, then writes. Between the two another writer can store a newer row,
which would then be lost: the stream's, while ``feast materialize`` runs. Here Redis compares as it writes. The layout
of the hashes is Feast's, which reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
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

WRITE_IF_NEWER = """
-- KEYS[1]: hash of the entity. ARGV: name and value of the timestamp's field, then of each feature's.
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

local stored = redis.call('HGET', KEYS[1], ARGV[1])
if stored then
  local old_seconds, old_nanos = seconds_and_nanos(stored)
  local seconds, nanos = seconds_and_nanos(ARGV[2])
  if seconds < old_seconds or (seconds == old_seconds and nanos <= old_nanos) then return 0 end
end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
"""


def script_calls(config: RepoConfig, table: FeatureView, data: list[Row]) -> Iterator[tuple[bytes, list[bytes]]]:
    """Return for each row the key and the arguments of ``WRITE_IF_NEWER``."""
    view = _versioned_fv_name(table, config)
    for entity_key, values, event_timestamp, _ in data:
        stamp = Timestamp()
        stamp.FromDatetime(make_tzaware(event_timestamp))
        arguments = [f"_ts:{view}".encode(), stamp.SerializeToString()]
        for name, value in values.items():
            arguments += (_field(view, name), value.SerializeToString())
        yield _redis_key(config.project, entity_key, config.entity_key_serialization_version), arguments


@cache
def _field(view: str, feature: str) -> bytes:
    field: bytes = _mmh3(f"{view}:{feature}")
    return field

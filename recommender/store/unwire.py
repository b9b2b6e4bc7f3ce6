"""Feature rows straight from the bytes that Feast keeps in Redis: the inverse of ``wire``.

A request reads five rows of a hundred columns, and Feast's own way to them took more time than everything else that
the request does. What is laid out in any other way than ``wire`` does it is left to protobuf. A conformance test holds
the rows to those that Feast itself reads.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import _versioned_fv_name
from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, StringList, Value
from google.protobuf.timestamp_pb2 import Timestamp

from recommender.features import ColumnType, FeatureRow
from recommender.redis_line import bulk, pack
from recommender.store.codec import VALUE_DECODERS
from recommender.store.wire import entity_key_begin

R = TypeVar("R", bound=FeatureRow)

_DOUBLE = struct.Struct("<d").unpack_from
_ints_of = Int64List.FromString
_floats_of = DoubleList.FromString
_strings_of = StringList.FromString


class _Unusual(Exception):
    """The bytes are not as ``wire`` would have written them; they may be right nevertheless."""


def _int(value: bytes) -> int:
    if value[0] != 0x20:
        raise _Unusual
    if len(value) == 2:
        return value[1]
    number = shift = 0
    for byte in value[1:]:
        number |= (byte & 127) << shift
        shift += 7
    return number if number < 1 << 63 else number - (1 << 64)


def _float(value: bytes) -> float:
    if value[0] != 0x29 or len(value) != 9:
        raise _Unusual
    number: float = _DOUBLE(value, 1)[0]
    return number


def _bool(value: bytes) -> bool:
    if value[0] != 0x38 or len(value) != 2:
        raise _Unusual
    return value[1] != 0


def _content(value: bytes, tag: int) -> bytes:
    """Return what is in a block, without its tag and length."""
    size = len(value)
    if value[0] == tag:
        if size < 130:
            if value[1] == size - 2:
                return value[2:]
        elif value[1] >= 128 and value[2] < 128 and (value[1] & 127 | value[2] << 7) == size - 3:
            return value[3:]
    raise _Unusual


def _string(value: bytes) -> str:
    return _content(value, 0x12).decode()


def _strings(value: bytes) -> list[str]:
    if value == b"\x62\x00":
        return []
    found: list[str] = _strings_of(_content(value, 0x62)).val[:]
    return found


def _ints(value: bytes) -> list[int]:
    if value == b"\x72\x00":
        return []
    found: list[int] = _ints_of(_content(value, 0x72)).val[:]
    return found


def _floats(value: bytes) -> list[float]:
    if value == b"\x7a\x00":
        return []
    found: list[float] = _floats_of(_content(value, 0x7A)).val[:]
    return found


_DECODERS: dict[ColumnType, Callable[[bytes], Any]] = {
    ColumnType.INT: _int,
    ColumnType.FLOAT: _float,
    ColumnType.STRING: _string,
    ColumnType.BOOL: _bool,
    ColumnType.INT_LIST: _ints,
    ColumnType.FLOAT_LIST: _floats,
    ColumnType.STRING_LIST: _strings,
}
"""The inverse of what ``wire`` writes by column type."""


class RowReader(Generic[R]):
    """Where the rows of one view lie in Redis, and what they say."""

    def __init__(self, config: RepoConfig, table: FeatureView, row_type: type[R]) -> None:
        view = _versioned_fv_name(table, config)
        columns = row_type.columns()
        self.row_type = row_type
        self.fields = [f"_ts:{view}".encode(), *(_mmh3(f"{view}:{column.name}") for column in columns)]
        """Of the hash of an entity: the feature time, and the columns."""
        self._before_id = entity_key_begin(row_type.entity)
        self._after_id = config.project.encode()
        self._command = pack(("HMGET", b"", *self.fields)).split(bulk(b""))
        self._decoders = [_DECODERS[column.type] for column in columns]
        self._by_protobuf = [VALUE_DECODERS[column.type] for column in columns]

    def hash_key(self, key: str) -> bytes:
        """Return the key of the hash that holds the row of an entity."""
        text = key.encode()
        return b"%b%b%b%b" % (self._before_id, len(text).to_bytes(4, "little"), text, self._after_id)

    def command(self, key: str) -> bytes:
        """Return, in Redis' protocol, what asks for the ``fields`` of an entity."""
        begin, fields = self._command
        return b"%b%b%b" % (begin, bulk(self.hash_key(key)), fields)

    def decode(self, key: str, values: Sequence[bytes | None]) -> R | None:
        """Return a row, given the values of ``fields``.

        None stands for no row, or one that lacks a column that the view did not have when it was written.
        """
        if None in values[1:]:
            return None
        stamp, *columns = values
        try:
            found = [decode(value) for decode, value in zip(self._decoders, columns, strict=True)]  # type: ignore[arg-type]
        except (_Unusual, IndexError):
            return self._unusual(key, stamp, columns)
        return self.row_type(key, feature_time_us(stamp), *found)

    def _unusual(self, key: str, stamp: bytes | None, columns: Sequence[bytes | None]) -> R | None:
        values = [Value.FromString(column or b"") for column in columns]
        if any(value.WhichOneof("val") is None for value in values):
            return None
        found = [decode(value) for decode, value in zip(self._by_protobuf, values, strict=True)]
        return self.row_type(key, feature_time_us(stamp), *found)


def feature_time_us(stamp: bytes | None) -> int:
    """Return the instant that Feast keeps with a row [us since 1970 UTC]; 0 for none."""
    if not stamp:
        return 0
    at = Timestamp.FromString(stamp)
    return at.seconds * 1_000_000 + at.nanos // 1_000

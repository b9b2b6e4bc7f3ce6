"""Feature rows straight in the bytes that Feast keeps in Redis, and in which Redis is asked to.

The stream writes several rows for each event, and building protobuf messages took most of its time. The layout is
Feast's own: one hash for an entity, in it a protobuf ``Value`` for each feature. A conformance test holds it to
what Feast's code writes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.helpers import _mmh3
from feast.infra.online_stores.redis import _versioned_fv_name
from feast.protos.feast.types.Value_pb2 import Int64List, StringList
from feast.value_type import ValueType

from recommender.features import ColumnType, FeatureRow
from recommender.redis_line import bulk

_MICROSECONDS = 1_000_000
_DOUBLE = struct.Struct("<d").pack
_LENGTH = struct.Struct("<I").pack
_NEGATIVE = 1 << 64
_STEP = 1 << 14
_LAST = [bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7]) for number in range(_STEP)]
"""Numbers of up to 14 bits as varints."""
_MORE = [bytes([number & 127 | 128, number >> 7 | 128]) for number in range(_STEP)]
"""The same where more bits follow."""


_MANY = 4
"""Elements of a list beyond which protobuf's own code is quicker."""


def _varint(number: int) -> bytes:
    if 0 <= number < _STEP:
        return _LAST[number]
    if number < 0:
        number += _NEGATIVE
    written = _MORE[number % _STEP]
    number //= _STEP
    while number >= _STEP:
        written += _MORE[number % _STEP]
        number //= _STEP
    return written + _LAST[number]


def _block(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


_SMALL_INTS = [b"\x20" + small for small in _LAST[:128]]


def _int(value: int) -> bytes:
    return _SMALL_INTS[value] if 0 <= value < 128 else b"\x20" + _varint(value)


def _float(value: float) -> bytes:
    return b"\x29" + _DOUBLE(value)


def _bool(value: bool) -> bytes:
    return b"\x38\x01" if value else b"\x38\x00"


def _string(value: str) -> bytes:
    return _block(b"\x12", value.encode())


def _strings(values: Sequence[str]) -> bytes:
    if not values:
        return b"\x62\x00"
    if len(values) > _MANY:
        return _block(b"\x62", StringList(val=values).SerializeToString())
    texts = [value.encode() for value in values]
    return _block(b"\x62", b"".join([b"\x0a%b%b" % (_varint(len(text)), text) for text in texts]))


def _ints(values: Sequence[int]) -> bytes:
    if not values:
        return b"\x72\x00"
    if len(values) > _MANY:
        return _block(b"\x72", Int64List(val=values).SerializeToString())
    return _block(b"\x72", _block(b"\x0a", b"".join(map(_varint, values))))


def _floats(values: Sequence[float]) -> bytes:
    if not values:
        return b"\x7a\x00"
    return _block(b"\x7a", _block(b"\x0a", b"".join(map(_DOUBLE, values))))


_ENCODERS: dict[ColumnType, Callable[[Any], bytes]] = {
    ColumnType.INT: _int,
    ColumnType.FLOAT: _float,
    ColumnType.STRING: _string,
    ColumnType.BOOL: _bool,
    ColumnType.INT_LIST: _ints,
    ColumnType.FLOAT_LIST: _floats,
    ColumnType.STRING_LIST: _strings,
}
"""The protobuf encoding of ``feast.types.Value`` by column type: tag (field number, wire type) and content."""


_NOTHING: dict[ColumnType, Any] = {
    ColumnType.INT: 0,
    ColumnType.FLOAT: 0.0,
    ColumnType.STRING: "",
    ColumnType.BOOL: False,
    ColumnType.INT_LIST: [],
    ColumnType.FLOAT_LIST: [],
    ColumnType.STRING_LIST: [],
}
"""The value of each type that is false."""


class WireRow(NamedTuple):
    """A row as it goes to ``WRITE_IF_NEWER``, in Redis' protocol."""

    key: bytes
    """One bulk string."""
    arguments: bytes
    """Bulk strings: how many follow, and these."""


class WireFormat:
    """Rows of one view as they go to ``WRITE_IF_NEWER``."""

    def __init__(self, config: RepoConfig, table: FeatureView, row_type: type[FeatureRow]) -> None:
        view = _versioned_fv_name(table, config)
        self._before_id = entity_key_begin(row_type.entity)
        self._after_id = config.project.encode()
        columns = row_type.columns()
        self._values = attrgetter(*(column.name for column in columns))
        self.arguments = 3 + 2 * len(columns)
        """How many arguments a row has."""
        self._begin = bulk(b"%d" % (self.arguments - 1)) + bulk(f"_ts:{view}".encode())
        self._columns: list[tuple[bytes, Callable[[Any], bytes], bytes]] = []
        for column in columns:
            field, encode = bulk(_mmh3(f"{view}:{column.name}")), _ENCODERS[column.type]
            self._columns.append((field, encode, field + bulk(encode(_NOTHING[column.type]))))

    def row(self, row: FeatureRow) -> WireRow:
        """Encode a row."""
        key = row.key.encode()
        seconds, microseconds = divmod(row.time_us, _MICROSECONDS)
        stamp = b"\x08" + _varint(seconds) if seconds else b""
        if microseconds:
            stamp += b"\x10" + _varint(microseconds * 1_000)
        # Most columns of most rows say nothing (0, "" or an empty list), and are ready made.
        columns = [
            b"%b$%d\r\n%b\r\n" % (field, len(encoded := encode(value)), encoded) if value else nothing
            for (field, encode, nothing), value in zip(self._columns, self._values(row), strict=True)
        ]
        return WireRow(
            bulk(self._before_id + _LENGTH(len(key)) + key + self._after_id),
            b"%b%b%b" % (self._begin, bulk(stamp), b"".join(columns)),
        )


def entity_key_begin(entity: str) -> bytes:
    """Return what Feast's key of an entity begins with, before the length of the id and the id itself."""
    name, text = entity.encode(), _LENGTH(ValueType.STRING.value)
    return _LENGTH(1) + text + _LENGTH(len(name)) + name + text

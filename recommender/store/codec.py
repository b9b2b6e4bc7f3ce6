"""Feature rows as Feast's protobuf messages, and back; exact in every value and to the microsecond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from feast.online_response import OnlineResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, StringList, Value

from recommender.features import ColumnType, FeatureRow
from recommender.store.newer import Row

R = TypeVar("R", bound=FeatureRow)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_ENCODERS: dict[ColumnType, Callable[[Any], Value]] = {
    ColumnType.INT: lambda value: Value(int64_val=value),
    ColumnType.FLOAT: lambda value: Value(double_val=value),
    ColumnType.STRING: lambda value: Value(string_val=value),
    ColumnType.BOOL: lambda value: Value(bool_val=value),
    ColumnType.INT_LIST: lambda value: Value(int64_list_val=Int64List(val=value)),
    ColumnType.FLOAT_LIST: lambda value: Value(double_list_val=DoubleList(val=value)),
    ColumnType.STRING_LIST: lambda value: Value(string_list_val=StringList(val=value)),
}

VALUE_DECODERS: dict[ColumnType, Callable[[Value], Any]] = {
    ColumnType.INT: lambda value: value.int64_val,
    ColumnType.FLOAT: lambda value: value.double_val,
    ColumnType.STRING: lambda value: value.string_val,
    ColumnType.BOOL: lambda value: value.bool_val,
    ColumnType.INT_LIST: lambda value: list(value.int64_list_val.val),
    ColumnType.FLOAT_LIST: lambda value: list(value.double_list_val.val),
    ColumnType.STRING_LIST: lambda value: list(value.string_list_val.val),
}


class RowCodec(Generic[R]):
    """Translates the rows of one view."""

    def __init__(self, row_type: type[R]) -> None:
        self._row_type = row_type
        columns = row_type.columns()
        self.refs = [f"{row_type.view}:{column.name}" for column in columns]
        """The view's columns as Feast's feature references."""
        self._encoders = [(column.name, _ENCODERS[column.type]) for column in columns]
        self._decoders = [(f"{row_type.view}__{column.name}", VALUE_DECODERS[column.type]) for column in columns]

    def encode(self, row: R) -> Row:
        """Return a row as Feast's online stores take it."""
        key = EntityKey(join_keys=[row.entity], entity_values=[Value(string_val=row.key)])
        values = {name: encoder(getattr(row, name)) for name, encoder in self._encoders}
        return key, values, _EPOCH + timedelta(microseconds=row.time_us), None

    def decode(self, response: OnlineResponse, keys: Sequence[str]) -> list[R | None]:
        """Return the rows of a response with full feature names, in the order of the keys asked for.

        None stands for a key without a row, or whose row lacks a column that the view did not have when it was
        written. (Feast calls absent values present; what tells them is that no kind of value is set.)
        """
        names = list(response.proto.metadata.feature_names.val)
        by_name = dict(zip(names, response.proto.results, strict=True))
        columns = [(by_name[name].values, decoder) for name, decoder in self._decoders]
        times = by_name[self._decoders[0][0]].event_timestamps
        rows: list[R | None] = []
        for at, key in enumerate(keys):
            values = [(column[at], decoder) for column, decoder in columns]
            if any(value.WhichOneof("val") is None for value, _ in values):
                rows.append(None)
                continue
            time_us = times[at].seconds * 1_000_000 + times[at].nanos // 1_000
            rows.append(self._row_type(key, time_us, *(decoder(value) for value, decoder in values)))
        return rows

"""What a feature row is: the columns of one feature view at one instant, for one entity."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from operator import attrgetter
from typing import Annotated, ClassVar

import msgspec

TimeUs = Annotated[int, msgspec.Meta(description="feature time, microseconds since 1970-01-01 UTC")]


class ColumnType(Enum):
    """The types that a column can have; each adapter maps them to its own."""

    INT = "int"
    FLOAT = "float"
    STRING = "string"
    BOOL = "bool"
    INT_LIST = "int_list"
    FLOAT_LIST = "float_list"
    STRING_LIST = "string_list"


_SCALARS = {
    msgspec.inspect.IntType: ColumnType.INT,
    msgspec.inspect.FloatType: ColumnType.FLOAT,
    msgspec.inspect.StrType: ColumnType.STRING,
    msgspec.inspect.BoolType: ColumnType.BOOL,
}
_LISTS = {
    msgspec.inspect.IntType: ColumnType.INT_LIST,
    msgspec.inspect.FloatType: ColumnType.FLOAT_LIST,
    msgspec.inspect.StrType: ColumnType.STRING_LIST,
}


class Column(msgspec.Struct, frozen=True):
    """One column of a feature view, as its row class declares it."""

    name: str
    type: ColumnType
    description: str
    minimum: float | None = None
    maximum: float | None = None


class FeatureRow(msgspec.Struct, gc=False):
    """Base of the row classes. A column never is null: what is unknown has the value its description names.

    A subclass sets ``view``, ``entity`` and ``ttl``; its first field is the entity's id, its second
    ``feature_time_us``, the instant as of which all columns hold. The others are the columns.
    """

    view: ClassVar[str]
    entity: ClassVar[str]
    ttl: ClassVar[timedelta]
    """How old a row may be to be joined in training; zero for ever."""
    parallel_lists: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Names of list columns that run in step: as long as each other, their elements belong together."""

    @property
    def key(self) -> str:
        """The entity's id."""
        raise NotImplementedError

    @property
    def time_us(self) -> int:
        """The row's feature time [us since 1970 UTC]."""
        raise NotImplementedError

    def __init_subclass__(cls) -> None:
        """Make ``key`` and ``time_us`` read the fields: without Python code, as they are asked for each row."""
        cls.key = property(attrgetter(cls.entity))  # type: ignore[assignment, method-assign]
        cls.time_us = property(attrgetter("feature_time_us"))  # type: ignore[assignment, method-assign]

    @classmethod
    def columns(cls) -> tuple[Column, ...]:
        """Return the columns in their declared order, without entity and feature time."""
        info = msgspec.inspect.type_info(cls)
        assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - narrows the type
        return tuple(_column(field) for field in info.fields[2:])


def _column(field: msgspec.inspect.Field) -> Column:
    kind = field.type
    description = ""
    if isinstance(kind, msgspec.inspect.Metadata):
        description = (kind.extra_json_schema or {}).get("description", "")
        kind = kind.type
    minimum, maximum = getattr(kind, "ge", None), getattr(kind, "le", None)
    if isinstance(kind, msgspec.inspect.ListType):
        item = kind.item_type
        if isinstance(item, msgspec.inspect.Metadata):
            item = item.type
        minimum, maximum = getattr(item, "ge", None), getattr(item, "le", None)
        return Column(field.name, _LISTS[type(item)], description, minimum, maximum)
    return Column(field.name, _SCALARS[type(kind)], description, minimum, maximum)


def count(description: str) -> msgspec.Meta:
    """Describe a column that counts something."""
    return msgspec.Meta(ge=0, description=f"{description} [count]")

"""Your own files as they are, for those who only measure: usual names and words are understood, the rest passed over.

Nothing that is read so is kept anywhere, hence what `liveshelf import` refuses, since nobody can know what it means,
may be taken here for what it most often means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path
from typing import Any

from recommender.events import EVENT
from recommender.loaders.columns import is_field
from recommender.loaders.generic import read_by, separator
from recommender.loaders.rows import Loaded, RawEvent, UnmappableRow, WrongFormat
from recommender.loaders.source import SourceFile
from recommender.loaders.values import from_epoch, minor_units

NO_CURRENCY = "XXX"
"""Of a price without one: the code of ISO 4217 for no currency."""

_USUAL_NAMES = {
    "user_id": ("userid", "user", "uid", "customerid", "customer", "visitorid", "reviewerid"),
    "session_id": ("sessionid", "session", "usersession", "visitid"),
    "item_id": ("itemid", "item", "productid", "product", "articleid", "asin", "movieid"),
    "event_time": ("eventtime", "timestamp", "time", "ts", "datetime", "date", "createdat", "unixreviewtime"),
    "kind": ("eventtype", "event", "type", "action", "behavior", "behaviour", "behaviortype"),
    "quantity": ("qty",),
    "price": ("unitprice",),
    "order_id": ("orderid", "transactionid"),
}
"""Names of columns, without case, spaces and underlines, that stand for an event field, the likelier first."""

_USUAL_KINDS = {
    "view": ("pv", "pageview", "detail", "rating", "rate", "rated", "review", "reviewed", "watch", "read", "play"),
    "click": ("clicks", "clicked"),
    "add_to_cart": ("addtocart", "cart", "carts", "atc", "basket", "addtobasket"),
    "remove_from_cart": ("removefromcart",),
    "add_to_wishlist": ("addtowishlist", "fav", "favorite", "favourite", "wishlist", "like", "save"),
    "remove_from_wishlist": ("removefromwishlist", "unfav"),
    "purchase": ("purchases", "buy", "bought", "buys", "order", "orders", "transaction", "sale", "sold", "checkout"),
}
_KINDS = {name: kind for kind, names in _USUAL_KINDS.items() for name in names}
_IDS = ("user_id", "session_id", "item_id", "order_id", "event_id")
_EMPTY = {"", "nan", "null", "none", "nat", "\\n"}
_WHOLE_NUMBER = re.compile(r"-?[0-9]+\.0+")
_DAY = re.compile(r"(?:19|20)[0-9]{6}")
_EPOCH = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE]\+?[0-9]+)?")
_EPOCH_UNITS = ((Decimal(10) ** 17, 1_000_000_000), (Decimal(10) ** 14, 1_000_000), (Decimal(10) ** 11, 1_000))
"""From this number on, it counts so many parts of a second."""
_ESSENTIAL = {"kind", "event_time", "quantity", "price_cents", "currency", *_IDS}


class LenientReader:
    """Reads somebody's own files, and remembers what it passed over.

    - a column is known by its usual names too (``timestamp``, ``ItemId``); one that is no event field is passed over
    - ``kind`` by its usual words (``pv``, ``cart``, ``buy``), in any case; a row of another word is a bad row
    - a time without an offset is UTC, a date its first instant, a number seconds, ms, us or ns by its size
    - ids may be numbers; ``12.0`` is ``12``; ``nan`` and ``null`` are empty
    - ``price`` is an amount such as 12.50, in no currency where none is named
    - a purchase without an order belongs to one made of its shopper and its time
    - fields that the row's kind does not have are left out
    """

    separators = "\t;|,"

    def __init__(self) -> None:
        self._passed_over: dict[str, None] = {}
        self._used: set[str] = set()

    @property
    def passed_over(self) -> list[str]:
        """Columns that nothing was read from so far."""
        return [name for name in self._passed_over if name not in self._used]

    def read(self, sources: Sequence[SourceFile]) -> Iterator[Loaded]:
        """Yield one event for each row."""
        return read_by(self, sources)

    def fields(self, names: Sequence[str], path: Path) -> list[str | None]:
        """Return the event field of each column, None for one to pass over.

        Raises:
            WrongFormat: the columns name no item, no time, or no shopper.
        """
        fields = usual_fields(names)
        found = set(fields)
        missing = [name for name in ("item_id", "event_time") if name not in found]
        if not found & {"user_id", "session_id"}:
            missing.insert(0, "user_id or session_id")
        if missing:
            raise WrongFormat(f"{path}: must have columns for {', '.join(missing)}; got {', '.join(names)[:200]!r}")
        self._pass_over(names, fields)
        return fields

    def from_object(self, row: dict[str, Any]) -> RawEvent:
        """Return a JSON object as an event, without the fields that no event has."""
        fields = usual_fields(tuple(row))
        self._pass_over(tuple(row), fields)
        pairs = zip(fields, row.values(), strict=True)
        return {field: value for field, value in pairs if field and value is not None}

    def finish(self, event: RawEvent) -> None:
        """Read the values as the class says.

        Raises:
            UnmappableRow: the time or the price cannot be read, or the kind is unknown.
        """
        for field in _IDS:
            if field in event:
                _set(event, field, _identifier(event[field]))
        kind = event["kind"] = _kind(event.get("kind"))
        if "event_time" in event:
            event["event_time"] = _time(event["event_time"])
        _read_price(event)
        if "quantity" in event:
            _set(event, "quantity", _quantity(event["quantity"]))
        if "category" in event:
            _set(event, "category", _category(event["category"]))
        if kind == "purchase" and "order_id" not in event:
            event["order_id"] = f"{event.get('user_id') or event.get('session_id')}-{event.get('event_time')}"[:128]
        allowed = _fields_by_kind().get(kind, _ESSENTIAL)
        for field in [field for field in event if field not in allowed]:
            self._passed_over[field] = None
            del event[field]
        self._used.update(event)

    def _pass_over(self, names: Sequence[str], fields: Sequence[str | None]) -> None:
        for name, field in zip(names, fields, strict=True):
            if field is None:
                self._passed_over[name] = None


def essential(event: RawEvent) -> RawEvent:
    """Return an event without the fields that tell no more than what the item or the place was like."""
    return {field: value for field, value in event.items() if field in _ESSENTIAL}


def is_usual(names: Sequence[str]) -> bool:
    """Tell whether these columns name an item, a time, and a user or a session."""
    found = set(usual_fields(names))
    return {"item_id", "event_time"} <= found and bool(found & {"user_id", "session_id"})


def columns_of(first_line: str) -> list[str]:
    """Return the names in the header of a delimited file."""
    return [name.strip().strip('"') for name in first_line.split(separator(first_line, LenientReader.separators))]


def usual_fields(names: Sequence[str]) -> list[str | None]:
    """Return the event field that each column stands for, None for no field or one that another column names better."""
    return list(_usual_fields(tuple(names)))


@cache
def _usual_fields(names: tuple[str, ...]) -> tuple[str | None, ...]:
    chosen: dict[str, int] = {}
    for place, name in enumerate(names):
        if is_field(name) or name == "price":
            chosen.setdefault(name, place)
    plain = [_plain(name) for name in names]
    for field, usual in _USUAL_NAMES.items():
        for name in (_plain(field), *usual):
            if field not in chosen and name in plain and plain.index(name) not in chosen.values():
                chosen[field] = plain.index(name)
    field_at = {place: field for field, place in chosen.items()}
    return tuple(field_at.get(place) for place in range(len(names)))


def _plain(name: str) -> str:
    return re.sub(r"[\s_\-.]", "", name.partition(":")[0]).casefold()


@cache
def _fields_by_kind() -> dict[str, frozenset[str]]:
    definitions = EVENT.json_schema()["$defs"].values()
    return {
        schema["properties"]["kind"]["const"]: frozenset(schema["properties"])
        for schema in definitions
        if "kind" in schema["properties"]
    }


def _set(event: RawEvent, field: str, value: Any) -> None:
    if value is None:
        del event[field]
    else:
        event[field] = value


def _identifier(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip() if isinstance(value, str | int | float) else value
    if not isinstance(text, str):
        return text
    if text.casefold() in _EMPTY:
        return None
    return text.partition(".")[0] if _WHOLE_NUMBER.fullmatch(text) else text


def _kind(value: Any) -> str:
    text = "" if value is None else str(value).strip()
    if text.casefold() in _EMPTY:
        return "view"
    word = re.sub(r"[\s\-]", "_", text.casefold())
    kind = word if word in _fields_by_kind() else _KINDS.get(word.replace("_", ""))
    if kind is None:
        raise UnmappableRow(f"kind: must be a kind of event, or a usual word for one; got {text[:40]!r}")
    return kind


def _time(value: Any) -> Any:
    text = str(value).strip() if isinstance(value, str | int | float) else ""
    if _EPOCH.fullmatch(text) and not _DAY.fullmatch(text):
        number = Decimal(text)
        units = next((units for least, units in _EPOCH_UNITS if number >= least), 1)
        return from_epoch(str(number / units), "event_time")
    try:
        plain = re.sub(r"\s*(?:UTC|GMT)$", "+00:00", text)
        moment = datetime.fromisoformat(plain.replace("/", "-") if text[4:5] == "/" else plain)
    except ValueError:
        rule = "must be ISO 8601, such as 2026-11-01 or 2026-11-01T12:00Z, or a number since 1970-01-01 UTC"
        raise UnmappableRow(f"event_time: {rule}; got {text[:40]!r}") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()


def _read_price(event: RawEvent) -> None:
    price = event.pop("price", None)
    if "price_cents" in event:
        cents = _number(event["price_cents"])
        _set(event, "price_cents", int(cents) if cents is not None and cents == int(cents) else cents)
    elif price is not None and _number(price) is not None:
        event["price_cents"] = minor_units(str(price).strip(), "price")
    currency = str(event.pop("currency", "")).strip().upper()
    if "price_cents" in event:
        event["currency"] = currency if re.fullmatch("[A-Z]{3}", currency) else NO_CURRENCY


def _quantity(value: Any) -> Any:
    number = _number(value)
    if number is None:
        return None
    return int(number) if number == int(number) else value


def _number(value: Any) -> Decimal | None:
    text = str(value).strip()
    if text.casefold() in _EMPTY:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise UnmappableRow(f"row: amounts must be numbers; got {text[:40]!r}") from None
    return number if number.is_finite() else None


def _category(value: Any) -> Any:
    names = value if isinstance(value, list) else str(value).split(">")
    path = [name.strip() for name in map(str, names)]
    return [name for name in path if name.casefold() not in _EMPTY] or None

"""UCI Online Retail: the order lines of a gift wholesaler in the United Kingdom, with a header.

``InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country``. Times are local and without an
offset; they are taken as UTC. Amounts are pounds.
Source: https://archive.ics.uci.edu/dataset/352/online+retail
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recommender.loaders.rows import Format, Loaded, LoadedEvent, RawEvent
from recommender.loaders.source import SourceFile, map_record
from recommender.loaders.values import from_utc_text, minor_units, whole_number

_COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
_CURRENCY = "GBP"
_CHARGES = {"POST", "DOT", "C2", "M", "m", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK"}
"""Codes of postage, carriage, discounts, fees and the like: sold on invoices, but nothing to recommend."""
_COUNTRIES = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Brazil": "BR",
    "Canada": "CA",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
}


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield a purchase or a refund for each row and, before an item's first sale, its description beside the rows."""
    for source in sources:
        yield from _read(source)


def _read(source: SourceFile) -> Iterator[Loaded]:
    described: set[str] = set()
    for record in source.columns(_COLUMNS):
        loaded = map_record(source, record, _event)
        if isinstance(loaded, LoadedEvent) and record.fields[1] not in described:
            for event in _descriptions(loaded.event, record.fields[2].strip()):
                described.add(record.fields[1])
                event["event_id"] = source.event_id(loaded.line_number, f".{event['kind']}")
                yield LoadedEvent(source.name, loaded.line_number, event, beside=True)
        yield loaded


def _event(fields: Sequence[str]) -> RawEvent:
    invoice, item, _, quantity_text, time, price, user, country = fields
    quantity = whole_number(quantity_text, "Quantity")
    cancelled = invoice.startswith("C")
    event: RawEvent = {
        "kind": "refund" if cancelled else "purchase",
        "event_time": from_utc_text(time, "InvoiceDate", "2010-12-01 08:26:00"),
        "order_id": invoice,
        "item_id": item,
        "quantity": abs(quantity) if cancelled else quantity,
        "price_cents": minor_units(price, "UnitPrice"),
        "currency": _CURRENCY,
    }
    if user:
        event["user_id"] = user.removesuffix(".0")  # written as a decimal in the file, because some are missing
    else:
        event["session_id"] = f"invoice:{invoice}"
    if country in _COUNTRIES:
        event["context"] = {"country": _COUNTRIES[country]}
    return event


def _descriptions(event: RawEvent, title: str) -> Iterator[RawEvent]:
    is_sale = event["kind"] == "purchase" and event["quantity"] > 0 and event["price_cents"] > 0
    if not is_sale or not title:  # other rows are corrections, and their descriptions are remarks such as "damaged"
        return
    about = {"event_time": event["event_time"], "item_id": event["item_id"]}
    yield {
        "kind": "item_upsert",
        **about,
        "title": title,
        "price_cents": event["price_cents"],
        "currency": _CURRENCY,
    }
    if event["item_id"] in _CHARGES:
        yield {"kind": "stock_change", **about, "stock": 0}


FORMAT = Format("online_retail", (), read)

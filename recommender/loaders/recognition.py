"""Which format a file is in, by its first line."""

from __future__ import annotations

import re
from pathlib import Path

from recommender.loaders.lenient import columns_of, is_usual
from recommender.loaders.parquet import PARQUET_MAGIC
from recommender.loaders.rows import WrongFormat
from recommender.loaders.source import SourceFile

_FIRST_LINES = {
    "online_retail": re.compile(r"InvoiceNo,StockCode,Description,"),
    "rees46": re.compile(r"event_time,event_type,product_id,"),
    "retailrocket": re.compile(
        r"timestamp,visitorid,event,itemid|timestamp,itemid,property,value|categoryid,parentid$"
    ),
    "movielens": re.compile(
        r"user_id:token\titem_id:token\trating:float\ttimestamp:float$|item_id:token\tmovie_title:"
        r"|userId,movieId,rating,timestamp$|movieId,title,genres$"
        r"|\d+\t\d+\t\d(?:\.\d)?\t\d{9,10}$|\d+\|[^|]*\|[^|]*\|[^|]*\|"
    ),
    "yoochoose": re.compile(r"SessionId\tItemId\tTime$|\d+,\d{4}-\d\d-\d\dT[\d:.]+Z,\d+,[^,]+(?:,\d+)?$"),
    "taobao": re.compile(r"\d+,\d+,\d+,(?:pv|cart|fav|buy),\d+$"),
    "otto": re.compile(r'\{\s*"session"\s*:[^{]*"events"\s*:\s*\['),
}


def recognise(source: SourceFile) -> str | None:
    """Return the name of the format that a file begins like, None where it begins like none."""
    if source.head.startswith(PARQUET_MAGIC):
        return "generic"
    line = source.first_line().strip()
    for name, pattern in _FIRST_LINES.items():
        if pattern.match(line):
            return name
    if line.startswith("{") or is_usual(columns_of(line)):
        return "generic"
    return None


def recognise_folder(folder: Path) -> tuple[str, list[Path]]:
    """Return the format of the files in a folder, and those of them that are in it.

    Raises:
        WrongFormat: no file is in a known format, or they are in several.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
        name = recognise(SourceFile(path, ""))
        if name:
            found.setdefault(name, []).append(path)
    if len(found) != 1:
        raise WrongFormat(
            f"{folder}: must hold files of one format; got {', '.join(found) or 'no file of a format that is known'}"
        )
    return found.popitem()

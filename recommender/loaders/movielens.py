"""MovieLens: ratings as views, films as items.

- 100k, the original: ``u.data`` (user, item, rating, epoch seconds; tabs), ``u.item`` (fields between ``|``, Latin-1)
- 100k as RecBole writes it: ``*.inter`` and ``*.item``, tab-separated with typed headers
- latest: ``ratings.csv`` and ``movies.csv``
Source: https://grouplens.org/datasets/movielens/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from recommender.loaders.rows import Format, Loaded, LoadedEvent, RawEvent, UnmappableRow, WrongFormat
from recommender.loaders.source import Record, SourceFile, expect_columns, map_records
from recommender.loaders.values import from_epoch

_DESCRIBED_AT = "1995-01-01T00:00:00+00:00"
"""The sets do not say when a film was added; this lies before the first rating of any of them."""
_INTER = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
_ITEM = ("item_id:token", "movie_title:token_seq", "release_year:token", "class:token_seq")
_RATINGS = ("userId", "movieId", "rating", "timestamp")
_MOVIES = ("movieId", "title", "genres")
_GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_NO_GENRE = {"unknown", "(no genres listed)", ""}
_YEAR = re.compile(r"\s*\((\d{4})\)\s*$")


def read(sources: Sequence[SourceFile]) -> Iterator[Loaded]:
    """Yield an item_upsert beside the rows for each film, and a view for each rating."""
    for source in sources:
        yield from _read(source)


def _read(source: SourceFile) -> Iterator[Loaded]:
    first_line = source.first_line("latin-1").removeprefix("\xef\xbb\xbf")
    if first_line.startswith(_INTER[0]):
        return map_records(source, source.columns(_INTER, "\t", quoted=False), _rating_event)
    if first_line.startswith(_ITEM[0]):
        return _films(source, source.columns(_ITEM, "\t", quoted=False), _recbole_film)
    if first_line.startswith(_RATINGS[0]):
        return map_records(source, source.columns(_RATINGS), _rating_event)
    if first_line.startswith(_MOVIES[0]):
        return _films(source, source.columns(_MOVIES), _latest_film)
    if first_line.count("|") >= 5:
        return _films(source, source.records("|", quoted=False, encoding="latin-1"), _original_film)
    if first_line.count("\t") == 3:
        return map_records(source, source.records("\t", quoted=False), _rating_event)
    raise WrongFormat(
        f"{source.path}: must be u.data, u.item, *.inter, *.item, ratings.csv or movies.csv of MovieLens; "
        f"got a first line {first_line[:200]!r}"
    )


def _rating_event(fields: Sequence[str]) -> RawEvent:
    expect_columns(fields, 4)
    user, item, _, time = fields
    return {"kind": "view", "event_time": from_epoch(time, "timestamp"), "user_id": user, "item_id": item}


def _films(
    source: SourceFile, records: Iterator[Record], to_film: Callable[[Sequence[str]], RawEvent]
) -> Iterator[Loaded]:
    for loaded in map_records(source, records, to_film):
        yield loaded._replace(beside=True) if isinstance(loaded, LoadedEvent) else loaded


def _original_film(fields: Sequence[str]) -> RawEvent:
    expect_columns(fields, 5 + len(_GENRES))
    flags = fields[5:]
    genres = [genre for genre, flag in zip(_GENRES, flags, strict=True) if flag == "1"]
    return _film(fields[0], fields[1], "", genres)


def _recbole_film(fields: Sequence[str]) -> RawEvent:
    item, title, year, genres = fields
    return _film(item, title, year, genres.split(" "))


def _latest_film(fields: Sequence[str]) -> RawEvent:
    item, title, genres = fields
    return _film(item, title, "", genres.split("|"))


def _film(item: str, title: str, year: str, genres: list[str]) -> RawEvent:
    if not item:
        raise UnmappableRow("item: must not be empty")
    in_title = _YEAR.search(title)
    if in_title:
        title, year = title[: in_title.start()], in_title.group(1)
    genres = [genre for genre in genres if genre not in _NO_GENRE]
    return {
        "kind": "item_upsert",
        "event_time": _DESCRIBED_AT,
        "item_id": item,
        "title": title,
        "category": genres[:1],
        "tags": genres,
        "attributes": {"year": int(year)} if year.isdigit() else {},
    }


FORMAT = Format("movielens", ("u.item", "*.item", "movies.csv", "u.data", "*.inter", "ratings.csv"), read)

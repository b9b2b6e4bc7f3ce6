"""MovieLens: rows in, events out, and every one of them a valid event."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender.loaders import WrongFormat
from tests.unit.loading import lines, load

VIEW_OF_242 = {"kind": "view", "event_time": "1997-12-04T15:55:49+00:00", "user_id": "196", "item_id": "242"}
TOY_STORY = {
    "kind": "item_upsert",
    "event_time": "1995-01-01T00:00:00+00:00",
    "item_id": "1",
    "title": "Toy Story",
    "category": ["Animation"],
    "tags": ["Animation", "Children's", "Comedy"],
    "attributes": {"year": 1995},
    "beside": True,
}


def test_movielens_100k_as_published(tmp_path: Path) -> None:
    flags = "|".join("1" if place in (3, 4, 5) else "0" for place in range(19))
    no_flags = "|".join(["1"] + ["0"] * 18)
    lines(
        tmp_path / "u.item",
        f"1|Toy Story (1995)|01-Jan-1995||http://us.imdb.com/M/title-exact?Toy%20Story%20(1995)|{flags}",
        f"543|Misérables, Les (1995)|01-Jan-1995||http://us.imdb.com/M|{no_flags}",
        encoding="latin-1",
    )
    lines(tmp_path / "u.data", "196\t242\t3\t881250949", "196\t242\t3")
    toy_story, miserables, view, bad = load("movielens", tmp_path)
    assert toy_story == TOY_STORY
    assert (miserables["title"], miserables["category"], miserables["tags"]) == ("Misérables, Les", [], [])
    assert view == VIEW_OF_242
    assert bad == (2, "row: must have 4 columns; got 3")


def test_movielens_100k_as_recbole_writes_it(tmp_path: Path) -> None:
    lines(
        tmp_path / "ml-100k.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
        "1\tToy Story\t1995\tAnimation Children's Comedy",
    )
    lines(
        tmp_path / "ml-100k.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float",
        "196\t242\t3\t881250949",
    )
    assert load("movielens", tmp_path) == [TOY_STORY, VIEW_OF_242]


def test_movielens_latest(tmp_path: Path) -> None:
    lines(
        tmp_path / "movies.csv",
        "movieId,title,genres",
        "1,Toy Story (1995),Animation|Children's|Comedy",
        '9,"American President, The",(no genres listed)',
    )
    lines(tmp_path / "ratings.csv", "userId,movieId,rating,timestamp", "196,242,3.5,881250949")
    toy_story, president, view = load("movielens", tmp_path)
    assert (toy_story, view) == (TOY_STORY, VIEW_OF_242)
    assert (president["title"], president["tags"]) == ("American President, The", [])


def test_movielens_refuses_other_files(tmp_path: Path) -> None:
    path = lines(tmp_path / "users.csv", "name,age", "a,3")
    with pytest.raises(WrongFormat, match=r"must be u\.data, u\.item"):
        load("movielens", path)

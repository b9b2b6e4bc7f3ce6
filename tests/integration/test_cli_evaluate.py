"""``liveshelf evaluate``, from the command line to figures, table and picture."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

LIVESHELF = str(Path(sys.executable).with_name("liveshelf"))
MODELS = "random,popularity,next_item"
METRICS = ("hit_rate", "mrr", "ndcg", "precision", "recall")


def evaluate(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [LIVESHELF, "evaluate", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == code, done.stderr
    return done


def figures(*arguments: object) -> Any:
    return orjson.loads(evaluate(*arguments, "--json").stdout)


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """Each visit goes from some item to the next three, in a circle of 12."""
    rows = [
        f"s{visit},i{(visit + place) % 12},{1_700_000_000 + 600 * visit + place}"
        for visit in range(200)
        for place in range(4)
    ]
    path = tmp_path / "visits.csv"
    path.write_text("\n".join(["session_id,item_id,event_time", *rows, "s9,,1700000000"]))
    return path


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Each user buys an item of his own every week, and once another one in the last month."""
    path = tmp_path / "orders.csv"
    rows = [f"u{user},own{user},{1_600_000_000 + week * 604_800 + user},buy" for week in range(20) for user in range(9)]
    rows += [f"u{user},own{(user + 1) % 9},{1_600_000_000 + 18 * 604_800},buy" for user in range(9)]
    rows += [f"u{user},own{user},1600000000,hover" for user in range(3)]
    path.write_text("\n".join(["user_id,item_id,event_time,kind", *rows]))
    return path


def test_next_items_of_a_file_of_ones_own(visits: Path) -> None:
    report = figures("--events", visits, "--models", MODELS, "--k", "1,5", "--holdout", "6h")
    assert report["protocol"] == "next-item"
    assert report["format"] == "generic"
    assert report["queries"] == 3 * report["users"] == 3 * 36
    assert report["rejected"] == {"view.item_id: Field required": 1}
    assert set(report["models"]) == set(MODELS.split(","))
    for model in report["models"].values():
        for name in (f"{metric}@{k}" for metric in METRICS for k in (1, 5)):
            assert 0 <= model[f"{name}_low"] <= model[name] <= model[f"{name}_high"] <= 1
        assert {"coverage@5", "novelty@5", "gini@5", "fit_seconds", "ms_per_query"} <= model.keys()
        assert model["slices"]["length_1"]["queries"] == 36
        assert model["slices"]["length_4+"] == {"queries": 0}
    assert report["models"]["next_item"]["hit_rate@1"] == 1.0
    assert report["models"]["popularity"]["hit_rate@1"] < 0.3
    assert report["best_baseline"]["mrr@5"] == {"model": "next_item", "value": 1.0}


def test_the_same_seed_gives_the_same_figures(visits: Path) -> None:
    def found() -> Any:
        report = figures("--events", visits, "--models", "random", "--seed", "7", "--sample", "10")
        for measured in ("seconds", "fit_seconds", "ms_per_query"):
            report.pop(measured, None)
            report["models"]["random"].pop(measured, None)
        return report

    assert found() == found()
    assert found()["users"] == 10


def test_the_future_of_users_with_a_table_a_picture_and_a_file(orders: Path, tmp_path: Path) -> None:
    picture, output = tmp_path / "figures.png", tmp_path / "figures.json"
    arguments = ["--events", orders, "--protocol", "future", "--models", "random,buy_again", "--picture", picture]
    done = evaluate(*arguments, "--output", output)
    assert "future: 9 queries of 9 shoppers" in done.stdout
    assert "liveshelf: rejected: 3 x kind: must be a kind of event, or a usual word for one" in done.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")
    report = orjson.loads(output.read_bytes())
    assert report["models"]["buy_again"]["mrr@10"] == 1.0
    assert (
        figures(*arguments[:4], "--models", "buy_again", "--new-items-only")["models"]["buy_again"]["recall@10"] == 1.0
    )


def test_a_test_log_is_foreseen_from_the_other(visits: Path, tmp_path: Path) -> None:
    test = tmp_path / "test.jsonl"
    rows = [{"session": "t", "item_id": f"i{place}", "event_time": 1_750_000_000 + place} for place in range(3)]
    test.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    report = figures("--events", visits, "--test", test, "--models", "next_item")
    assert (report["queries"], report["users"], report["events"]["test"]) == (2, 1, 3)
    assert report["models"]["next_item"]["hit_rate@10"] == 1.0


def test_who_cannot_take_part_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    rows = [f"s{n // 4},i{n},{1_700_000_000 + n}" for n in range(24_000)]
    path.write_text("\n".join(["session_id,item_id,event_time", *rows]))
    done = evaluate("--events", path, "--models", "ease,popularity", "--json")
    report = orjson.loads(done.stdout)
    assert set(report["models"]) == {"popularity"}
    assert report["left_out"]["ease"].startswith("ease: must have at most 20,000 items; got 2")
    assert f"liveshelf: left out: {report['left_out']['ease']}" in done.stderr
    assert evaluate("--events", path, "--models", "ease", code=1).stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "past"], "--protocol: must be next-item or future; got 'past'"),
        (["--new-items-only"], "--new-items-only: must go with --protocol future"),
        (["--models", "popularity,magic"], "--models: must be all, or some of random, popularity"),
        (["--k", "10,0"], "--k: must be whole numbers from 1 to 1,000 such as 10,20; got '10,0'"),
        (["--holdout", "soon"], "--holdout: must be a duration such as 28d, 12h, 90m or 30s; got 'soon'"),
        (["--holdout", "1d", "--test", "x.csv"], "--holdout: must not go with --test"),
        (["--format", "xml"], "--format: must be auto or one of taobao"),
        (["--picture", "/nowhere/a.png"], "--picture: must be a file in a folder that is there; got /nowhere/a.png"),
        (["--picture", "a.jpg"], "--picture: must end in .png; got a.jpg"),
        (["--picture", "a.png", "--output", "./a.png"], "--output: must not be in --picture, or the same file"),
    ],
)
def test_wrong_use_is_told_in_one_line(visits: Path, arguments: list[str], message: str) -> None:
    done = evaluate("--events", visits, *arguments, code=2)
    assert done.stderr.startswith(f"liveshelf: {message}")
    assert len(done.stderr.splitlines()) == 1


def test_what_is_learned_from_is_not_what_is_foreseen(visits: Path) -> None:
    done = evaluate("--events", visits, "--test", visits, "--models", "random", code=2)
    assert done.stderr == f"liveshelf: --test: must be another log than --events; got {visits}\n"


@pytest.mark.parametrize("option", ["--output", "--picture"])
def test_what_is_read_is_never_written_over(visits: Path, option: str) -> None:
    before = visits.read_bytes()
    done = evaluate("--events", visits, option, visits, "--models", "random", code=2)
    assert done.stderr == f"liveshelf: {option}: must not be in --events, or the same file; got {visits}\n"
    assert visits.read_bytes() == before


def test_a_log_that_leaves_nothing_to_ask_is_told(visits: Path) -> None:
    done = evaluate("--events", visits, "--protocol", "future", "--holdout", "6h", "--models", "random", code=1)
    assert done.stderr.startswith("liveshelf: future: must hold events of users, with a user_id, after the cut")
    assert "rejected" not in done.stdout

"""``liveshelf bench learning``: a small shop that grows, and a log of one's own."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.learning import picture, simulated
from benchmarks.learning.shop import GrowingShop
from benchmarks.stream.progress import Display
from cli.bench_learning import run
from cli.problem import Problem
from recommender.learning.growing import FitParameters

WHOLE = {"holdout": "1d", "form": "auto", "users": 1_000, "rate": 0.03, "slates": 30, "seed": 1, "as_json": True}


def test_a_shop_grows_from_no_known_shopper_and_each_level_is_measured(tmp_path: Path) -> None:
    result: dict[str, Any] = {}
    shop = GrowingShop(1, items=100, opening_visits=150)
    simulated.run(shop, 1_000, FitParameters(learning_rate=0.03, epochs=3), 1, Display(quiet=True), result)
    assert [level["users"] >= 200 * (place + 1) for place, level in enumerate(result["levels"])] == [True] * 5
    features = [level["shopper_features"] for level in result["levels"]]
    assert features == sorted(features)
    assert features[-1] - features[0] >= 700, "each new shopper is a feature"
    assert result["with_learning"]["hit_rate@20"] > 0
    assert result["over_time"][-1]["up_to_example"] == result["examples"]
    picture.draw(result, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_makes_the_same_shop_which_gets_new_items() -> None:
    one, other = GrowingShop(3, 100, 50), GrowingShop(3, 100, 50)
    assert one.opening() == other.opening()
    grown = list(one.growth(3_000))
    assert grown == list(other.growth(3_000))
    assert any(event.kind == "item_upsert" for event in grown)
    assert one.users == 3_000


def test_a_log_of_ones_own_is_replayed_with_and_without_learning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(1)
    lines = ["session_id,item_id,event_time"]
    for session in range(200):
        first = draw.randrange(40)
        lines += [f"s{session},i{(first + step) % 40},{1_700_000_000 + session * 600 + step}" for step in range(4)]
    log = tmp_path / "log.csv"
    log.write_text("\n".join(lines) + "\n")
    code = run(events=log, test=None, picture=tmp_path / "picture.png", **WHOLE)  # type: ignore[arg-type]
    result = json.loads(capsys.readouterr().out)
    assert code == 0
    assert result["train_events"] + result["test_events"] == 800
    assert result["slates"]["examples"] == 30
    assert result["slates"]["versions"] >= 1
    assert 0 < result["embeddings"]["without_learning"]["hit_rate@20"] <= 1
    assert (tmp_path / "picture.png").exists()


def test_wrong_use_is_told(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="--test: needs --events"):
        run(events=None, test=tmp_path, picture=None, **WHOLE)  # type: ignore[arg-type]
    with pytest.raises(Problem, match="--holdout: must be a duration"):
        run(events=tmp_path, test=None, picture=None, **(WHOLE | {"holdout": "soon"}))  # type: ignore[arg-type]

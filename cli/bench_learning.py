"""``liveshelf bench learning``: what online updates bring and cost."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.learning.run import Options
from benchmarks.learning.run import run as replay
from cli.bench import measure
from cli.problem import WRONG_USE, Problem
from recommender.evaluation.log import EmptyLog
from recommender.evaluation.split import NothingToTest, read_duration_us

_LEVELS = {
    "users": "shoppers",
    "items": "items",
    "shopper_features": "features of shoppers",
    "item_features": "of items",
    "describe_us_per_example": "describe, us/example",
    "test_ms_per_batch": "test, ms/batch",
    "fit_ms_per_batch": "train, ms/batch",
    "make_version_s": "make a version, s",
    "write_version_s": "write it, s",
    "version_mb": "its size, MB",
    "rss_mb": "memory, MB",
}


def run(
    *,
    events: Path | None,
    test: Path | None,
    holdout: str,
    form: str,
    users: int,
    rate: float,
    slates: int,
    picture: Path | None,
    seed: int,
    as_json: bool,
) -> int:
    """Measure; print one JSON object or tables on standard output, progress on standard error."""
    if test is not None and events is None:
        raise Problem("--test: needs --events", WRONG_USE)
    try:
        holdout_us = read_duration_us(holdout)
    except ValueError as error:
        raise Problem(f"--holdout: {error}", WRONG_USE) from None
    options = Options(events, test, holdout_us, form, users, rate, slates, picture, seed)
    try:
        return measure(partial(replay, options), _show if not as_json else None)
    except (EmptyLog, NothingToTest) as error:
        raise Problem(str(error), WRONG_USE) from None


def _show(console: Console, result: dict[str, Any]) -> None:
    table = Table("", "examples", "hit rate @20", "without", "difference", "MRR @20", "without")
    for column in table.columns[1:]:
        column.justify = "right"
    parts = {name: result[name] for name in ("embeddings", "slates") if name in result}
    for name, found in (parts or {"embeddings": result}).items():
        if "with_learning" not in found:
            continue
        with_it, without = found["with_learning"], found["without_learning"]
        difference = f"{found['hit_rate@20_gain']:+.4f} +- {1.96 * found['hit_rate@20_gain_error']:.4f}"
        hits = [f"{figures['hit_rate@20']:.4f}" for figures in (with_it, without)]
        places = [f"{figures['mrr@20']:.4f}" for figures in (with_it, without)]
        table.add_row(name, f"{found['examples']:,}", *hits, difference, *places)
    console.print(table)
    if result.get("levels"):
        growth = Table(*_LEVELS.values())
        for column in growth.columns:
            column.justify = "right"
        for level in result["levels"]:
            growth.add_row(*(f"{level[name]:,}" for name in _LEVELS))
        console.print(growth)

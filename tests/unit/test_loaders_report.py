"""Counting what became of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.load_report import MOST_REASONS, OTHER_REASONS, LoadReport, limited, rule_of
from cli.replay import Pace
from recommender.loaders import BadRow, Loaded, LoadedEvent


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("view.price_cents: must be positive; got -5", "view.price_cents: must be positive"),
        ("a: r; got 1 | b.c: s; got 'x | y'", "a: r | b.c: s"),
        ("a: r; got '; got x' | and 3 more", "a: r | and 3 more"),
        ("view.item_id: Field required", "view.item_id: Field required"),
        ("event: Input tag 'look' found using 'kind'; got an object", "event: Input tag found using 'kind'"),
        ("a: r; got 'two\nlines'", "a: r"),
    ],
)
def test_a_rule_is_a_reason_without_its_values(reason: str, rule: str) -> None:
    assert rule_of(reason) == rule


def event(line_number: int, *, beside: bool = False) -> LoadedEvent:
    return LoadedEvent("a.csv", line_number, {"event_id": str(line_number)}, beside)


def test_sent_is_accepted_and_rejected_and_the_catalogue_stands_apart(tmp_path: Path) -> None:
    with LoadReport("taobao", Path("a.csv"), tmp_path) as report:
        rows: list[Loaded] = [
            event(1),
            event(1, beside=True),
            BadRow("a.csv", 2, "row: bad; got 1", "1"),
            event(3),
            event(4),
        ]
        assert [report.read(row) for row in rows] == [True, True, False, True, True]
        report.settle(event(1), None)
        report.settle(event(1, beside=True), "title: long; got 'x'")
        report.settle(event(3), "item_id: Field required")
        summary = report.summary()
    assert summary["rows"] == 4
    assert (summary["sent"], summary["accepted"], summary["rejected"], summary["bad_rows"]) == (3, 1, 2, 1)
    assert summary["catalogue"] == {"sent": 1, "accepted": 0, "rejected": 1}
    assert summary["reasons"] == {"row: bad": 1, "title: long": 1, "item_id: Field required": 1}


def test_reasons_are_bounded(tmp_path: Path) -> None:
    with LoadReport("taobao", Path("a.csv"), tmp_path) as report:
        for number in range(MOST_REASONS + 50):
            report.settle(event(number), f"field{number}: required")
        reasons = report.summary()["reasons"]
    assert len(reasons) == MOST_REASONS + 1
    assert reasons[OTHER_REASONS] == 50


def test_two_loads_in_one_second_keep_their_rejects_apart(tmp_path: Path) -> None:
    paths = set()
    for _ in range(3):
        with LoadReport("taobao", Path("a.csv"), tmp_path) as report:
            report.settle(event(1), "a: b")
        assert report.rejects_path is not None
        assert len(report.rejects_path.read_text().splitlines()) == 1
        paths.add(report.rejects_path)
    assert len(paths) == 3


def test_a_rejected_row_is_in_its_file_before_the_load_ends(tmp_path: Path) -> None:
    with LoadReport("taobao", Path("a.csv"), tmp_path) as report:
        report.settle(event(7), "a: b")
        assert report.rejects_path is not None
        assert json.loads(report.rejects_path.read_text())["line_number"] == 7


def test_a_file_of_rejects_that_stayed_empty_is_removed(tmp_path: Path) -> None:
    with pytest.raises(TypeError), LoadReport("taobao", Path("a.csv"), tmp_path) as report:
        report.settle(LoadedEvent("a.csv", 1, {"event_id": object()}), "a: b")  # cannot be written
    assert list(tmp_path.iterdir()) == []
    assert report.summary()["rejects_file"] is None


def test_a_rejected_row_that_is_not_ascii_is_kept_readable(tmp_path: Path) -> None:
    with LoadReport("taobao", Path("a.csv"), tmp_path) as report:
        report.read(BadRow("a.csv", 2, "row: bad", "café \\udcff"))
    assert report.rejects_path is not None
    assert json.loads(report.rejects_path.read_text(encoding="utf-8"))["row"] == "café \\udcff"


def test_a_limit_counts_rows_and_lets_the_catalogue_before_them_through() -> None:
    rows: list[Loaded] = [event(1, beside=True), event(1), BadRow("a.csv", 2, "", ""), event(3, beside=True), event(3)]
    assert list(limited(iter(rows), 2)) == rows[:3]
    assert list(limited(iter(rows), None)) == rows
    assert list(limited(iter(rows), 0)) == []


def test_a_pace_follows_event_time_by_its_factor() -> None:
    now = [100.0]
    pace = Pace(60, lambda: now[0])
    assert pace.wait_s("2026-01-01T00:00:00+00:00") == 0
    assert pace.wait_s("2026-01-01T00:10:00+00:00") == 10
    now[0] = 104.0
    assert pace.wait_s("2026-01-01T00:10:00Z") == 6
    assert pace.wait_s("2025-12-31T00:00:00+00:00") == 0
    assert pace.wait_s("no time") == 0

"""The feature flow: events in the order of the log in, rows and events out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflows.features import decode, only
from dataflows.log_source import Arrival
from dataflows.sharding import keyed, unpacked
from dataflows.stages import CatalogueStage, IntakeStage, SessionStage
from recommender.eventlog import LogEntry, Partition
from recommender.events import AnyEvent, View, encode_event
from recommender.features import Interaction, SessionFeatures
from recommender.features.item_activity import ActivityState, category_entries, file_under
from recommender.features.session import Pair

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def view(number: int, minutes: float, item_id: str, session_id: str = "s1") -> View:
    return View(
        event_id=f"e{number}", event_time=NOON + timedelta(minutes=minutes), session_id=session_id, item_id=item_id
    )


def sessions(folder: Path, events: list[AnyEvent]) -> list[Any]:
    """What the stages up to the sessions make of a log that is read all at once."""
    ingested_us = int(NOON.timestamp() * 1e6) + 86_400_000_000
    arrivals = [
        Arrival(Partition("shopper", 0), LogEntry(str(number), ingested_us, encode_event(event)), number)
        for number, event in enumerate(events)
    ]
    found: list[Any] = []
    flow = Dataflow("sessions")
    decoded = op.flat_map_batch("decode", op.input("log", flow, TestingSource([arrivals])), decode)
    taken = unpacked("intake-effects", keyed(IntakeStage(), decoded, folder))
    catalogue = unpacked("catalogue-effects", keyed(CatalogueStage(), taken, folder))
    effects = unpacked("session-effects", keyed(SessionStage(), catalogue, folder))
    op.output("out", only("all", effects, object), TestingSink(found))
    run_main(flow)
    return [effect for effects_ in found for effect in effects_]


def test_events_of_a_day_read_at_once_are_not_late_though_their_items_are_in_many_shards(tmp_path: Path) -> None:
    events = [view(number, 20.0 * number, f"i{number}") for number in range(60)]
    effects = sessions(tmp_path, list(events))
    assert [effect.late for effect in effects if isinstance(effect, Interaction)] == [False] * 60
    rows = [effect for effect in effects if isinstance(effect, SessionFeatures)]
    assert [row.views for row in rows] == list(range(1, 61))
    assert rows[-1].recent_items == [f"i{number}" for number in range(59, 39, -1)]
    pairs = [effect for effect in effects if isinstance(effect, Pair)]
    assert all(pair.weight == 1 for pair in pairs)
    assert len(pairs) == 2 * (59 + 58 + 57)  # each with the three before it that are at most an hour older


def test_an_event_half_an_hour_behind_its_session_is_late_and_moves_nothing(tmp_path: Path) -> None:
    events = [view(1, 31, "i1"), view(2, 1, "i2"), view(3, 0, "i3"), view(4, 0, "i4", "s2")]
    effects = sessions(tmp_path, list(events))
    late = {effect.event_id: effect.late for effect in effects if isinstance(effect, Interaction)}
    assert late == {"e1": False, "e2": False, "e3": True, "e4": False}
    rows = [effect for effect in effects if isinstance(effect, SessionFeatures) and effect.session_id == "s1"]
    assert rows[-1].recent_items == ["i1", "i2"]


def test_a_repeated_event_counts_once_whatever_else_it_says(tmp_path: Path) -> None:
    effects = sessions(tmp_path, [view(1, 0, "i1"), view(1, 0, "i1"), view(1, 1, "i2")])
    assert [effect.item_id for effect in effects if isinstance(effect, Interaction)] == ["i1"]


def test_an_item_that_loses_its_category_leaves_the_trends_of_all_its_levels() -> None:
    state = ActivityState()
    assert file_under(state, "i1", "Shoes > Boots", 1) == []
    left = file_under(state, "i1", "", 2)
    assert [(entry.category, entry.left) for entry in left] == [("Shoes", True), ("Shoes > Boots", True)]
    assert category_entries(state, "i1") == []

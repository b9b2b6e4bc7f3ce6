"""The feature flow: events in the order of the log in, rows and events out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from dataflows.effects import Effects
from dataflows.intake import IntakeStage
from dataflows.log_source import Arrival
from dataflows.saver import Saver
from dataflows.sharding import StatePlace, keyed
from dataflows.stages import CatalogueStage, SessionStage
from recommender.eventlog import LogEntry, Partition
from recommender.events import AnyEvent, View, encode_event
from recommender.features import SessionFeatures
from recommender.features.item_activity import ActivityState, category_entries, file_under
from recommender.settings import Settings

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def view(number: int, minutes: float, item_id: str, session_id: str = "s1") -> View:
    return View(
        event_id=f"e{number}", event_time=NOON + timedelta(minutes=minutes), session_id=session_id, item_id=item_id
    )


def sessions(folder: Path, events: list[AnyEvent]) -> Effects:
    """What the steps up to the sessions make of a log that is read all at once."""
    ingested_us = int(NOON.timestamp() * 1e6) + 86_400_000_000
    arrivals = [
        Arrival(Partition("shopper", 0), LogEntry(str(number), ingested_us, encode_event(event)), number)
        for number, event in enumerate(events)
    ]
    found: list[tuple[str, Effects]] = []
    settings, place = Settings(data_dir=folder), StatePlace(folder, Saver())
    flow = Dataflow("sessions")
    read = op.key_on("by-partition", op.input("log", flow, TestingSource([arrivals])), lambda _: "shopper-0")
    taken = keyed(IntakeStage(settings), read, place)
    catalogue = keyed(CatalogueStage(), taken, place, CatalogueStage.split)
    op.output("out", keyed(SessionStage(settings), catalogue, place, SessionStage.split), TestingSink(found))
    run_main(flow)
    made = Effects()
    for _, effects in found:
        made.rows += effects.rows
        made.events += effects.events
        made.pairs += effects.pairs
    return made


def test_events_of_a_day_read_at_once_are_not_late_though_their_items_are_in_many_shards(tmp_path: Path) -> None:
    events = [view(number, 20.0 * number, f"i{number}") for number in range(60)]
    effects = sessions(tmp_path, list(events))
    assert [event.late for event in effects.events] == [False] * 60
    rows = [row for row in effects.rows if isinstance(row, SessionFeatures)]
    assert [row.views for row in rows] == list(range(1, 61))
    assert rows[-1].recent_items == [f"i{number}" for number in range(59, 39, -1)]
    assert all(pair.weight == 1 for pair in effects.pairs)
    assert len(effects.pairs) == 2 * (59 + 58 + 57)  # each with the three before it that are at most an hour older


def test_an_event_half_an_hour_behind_its_session_is_late_and_moves_nothing(tmp_path: Path) -> None:
    events = [view(1, 31, "i1"), view(2, 1, "i2"), view(3, 0, "i3"), view(4, 0, "i4", "s2")]
    effects = sessions(tmp_path, list(events))
    late = {event.event_id: event.late for event in effects.events}
    assert late == {"e1": False, "e2": False, "e3": True, "e4": False}
    rows = [row for row in effects.rows if isinstance(row, SessionFeatures) and row.session_id == "s1"]
    assert rows[-1].recent_items == ["i1", "i2"]


def test_a_repeated_event_counts_once_whatever_else_it_says(tmp_path: Path) -> None:
    effects = sessions(tmp_path, [view(1, 0, "i1"), view(1, 0, "i1"), view(1, 1, "i2")])
    assert [event.item_id for event in effects.events] == ["i1"]


def test_an_item_that_loses_its_category_leaves_the_trends_of_all_its_levels() -> None:
    state = ActivityState()
    assert file_under(state, "i1", "Shoes > Boots", 1) == []
    left = file_under(state, "i1", "", 2)
    assert [(entry.category, entry.left) for entry in left] == [("Shoes", True), ("Shoes > Boots", True)]
    assert category_entries(state, "i1", 3, 1) == []

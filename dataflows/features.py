"""The feature flow: from the event log to features, history, dead letters and change notices.

Run it with ``python -m bytewax.run dataflows.features -r RECOVERY_DIR -s 1 -b 0``; settings come from the environment.
With ``LIVESHELF_UNTIL_DRAINED=true`` it ends once it has read the whole log.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows.effects import only
from dataflows.intake import IntakeStage
from dataflows.log_source import EventLogSource
from dataflows.online import Online, OnlineWriter, stored
from dataflows.saver import Saver
from dataflows.sharding import StatePlace, keyed
from dataflows.sinks import HistorySink
from dataflows.stages import ActivityStage, CatalogueStage, CategoryStage, SessionStage
from dataflows.user_stage import UserStage
from recommender.installation import Installation
from recommender.settings import Settings


def build(settings: Settings, source: Any, open_online: Callable[[], Online], history: Any) -> Dataflow:
    """Put the flow together.

    Args:
        settings: names the data folder, where the keyed steps keep their state.
        source: gives lists of `Arrival`, each of one partition.
        open_online: gives the process's writer of rows and dead letters.
        history: partitioned sink of effects; takes rows and shopper events.
    """
    place = StatePlace(Installation(settings.data_dir).state_dir, Saver())
    flow = Dataflow("features")
    arrivals = op.key_on("by-partition", op.input("event-log", flow, source), lambda some: some[0].partition.name)
    taken = keyed(IntakeStage(settings), arrivals, place)
    catalogue = keyed(CatalogueStage(), taken, place, CatalogueStage.split)
    sessions = keyed(SessionStage(settings), catalogue, place, SessionStage.split)
    users = keyed(UserStage(settings), sessions, place, UserStage.split)
    items = op.merge("item-inputs", only("filings", catalogue, "filings"), sessions)
    activity = keyed(ActivityStage(), items, place, ActivityStage.split)
    categories = keyed(CategoryStage(), activity, place, CategoryStage.split)
    effects = op.merge(
        "effects",
        only("letters", taken, "letters"),
        only("catalogue-rows", catalogue, "rows"),
        only("session-rows", sessions, "rows", "events", "forgotten", "erasures"),
        only("user-rows", users, "rows", "forgotten", "erasures"),
        only("activity-rows", activity, "rows"),
        categories,
    )
    stored("online", effects, open_online, place.saver)
    op.output("history", op.map("to-writer", effects, lambda keyed_effects: ("0", keyed_effects[1])), history)
    return flow


gc.set_threshold(100_000, 50, 100)  # millions of long-lived states make frequent full collections slow
_settings = Settings()
_open_online = partial(OnlineWriter.of_process, _settings)
flow = build(
    _settings,
    EventLogSource(_settings, endless=not _settings.until_drained, prepare=_open_online),
    _open_online,
    HistorySink(_settings),
)

"""The feature flow: from the event log to features, history, dead letters and change notices.

Run it with ``python -m bytewax.run dataflows.features -r RECOVERY_DIR -s 1 -b 0``; settings come from the environment.
With ``LIVESHELF_UNTIL_DRAINED=true`` it ends once it has read the whole log.
"""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows import metrics
from dataflows.log_source import Arrival, EventLogSource
from dataflows.sharding import Effects, keyed, unpacked
from dataflows.sinks import HistorySink, OnlineSink
from dataflows.stages import (
    ActivityStage,
    CatalogueStage,
    CategoryStage,
    IntakeStage,
    ItemFiled,
    SessionStage,
    UserStage,
)
from recommender.deadletters import DeadLetter, dead_letter
from recommender.events import CatalogueEvent, InvalidEvent, decode_event, refuse_future
from recommender.features import FeatureRow, interaction
from recommender.installation import Installation
from recommender.settings import Settings


def decode(lists: list[list[Arrival]]) -> list[Effects]:
    """Return valid events, shopper events flat, and a dead letter in place of each invalid one."""
    kinds: dict[str, int] = {}
    decoded = [[_decode(arrival, kinds) for arrival in arrivals] for arrivals in lists]
    for kind, count in kinds.items():
        metrics.EVENTS.labels(kind).inc(count)
    return decoded


def _decode(arrival: Arrival, kinds: dict[str, int]) -> Any:
    partition, entry, number = arrival
    try:
        event = decode_event(entry.payload)
        refuse_future(event, datetime.fromtimestamp(entry.ingested_us / 1e6, UTC))
    except InvalidEvent as error:
        source = f"{partition.name} {entry.position}"
        return dead_letter(source, str(error), entry.payload, entry.ingested_us / 1e6)
    kinds[event.kind] = kinds.get(event.kind, 0) + 1
    if isinstance(event, CatalogueEvent):
        return event
    return interaction(event, payload=entry.payload, ingested_us=entry.ingested_us, number=number)


def build(settings: Settings, source: Any, online: Any, history: Any) -> Dataflow:
    """Put the flow together.

    Args:
        settings: names the data folder, where the keyed steps keep their state.
        source: gives lists of `Arrival`.
        online: sink of lists of effects; takes rows and dead letters.
        history: partitioned sink of lists of effects; takes rows and shopper events.
    """
    state_dir = Installation(settings.data_dir).state_dir
    flow = Dataflow("features")
    arrivals = op.input("event-log", flow, source)
    decoded = op.flat_map_batch("decode", arrivals, decode)
    taken = unpacked("intake-effects", keyed(IntakeStage(), decoded, state_dir))
    known = op.merge("catalogue-inputs", only("catalogue-events", decoded, CatalogueEvent), taken)
    catalogue = unpacked("catalogue-effects", keyed(CatalogueStage(), known, state_dir))
    sessions = unpacked("session-effects", keyed(SessionStage(), catalogue, state_dir))
    users = unpacked("user-effects", keyed(UserStage(), sessions, state_dir))
    items = op.merge("item-inputs", only("filings", catalogue, ItemFiled), sessions)
    activity = unpacked("activity-effects", keyed(ActivityStage(), items, state_dir))
    categories = unpacked("category-effects", keyed(CategoryStage(), activity, state_dir))
    letters = only("letters", decoded, DeadLetter)
    catalogue_rows = only("catalogue-rows", catalogue, FeatureRow)
    effects = op.merge("effects", letters, catalogue_rows, sessions, users, activity, categories)
    op.output("online", effects, online)
    op.output("history", op.map("to-writer", effects, lambda effects: ("0", effects)), history)
    return flow


def only(step_id: str, up: Any, kind: type) -> Any:
    """Return the stream's lists with nothing in them but effects of a kind."""

    def pick(lists: list[Effects]) -> list[Effects]:
        picked = ([effect for effect in effects if isinstance(effect, kind)] for effects in lists)
        return [effects for effects in picked if effects]

    return op.flat_map_batch(step_id, up, pick)


gc.set_threshold(100_000, 50, 100)  # millions of long-lived states make frequent full collections slow
_settings = Settings()
flow = build(
    _settings,
    EventLogSource(_settings, endless=not _settings.until_drained),
    OnlineSink(_settings),
    HistorySink(_settings),
)

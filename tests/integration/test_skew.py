"""No skew between training and serving: what training finds in history is what was served at that moment.

The real flow runs up to an instant and stops; what a request would be answered from is read just before the next event
of each shopper. After the whole log, training finds the same in history, to the last bit.
"""

from __future__ import annotations

import asyncio
import json
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from recommender.eventlog import open_event_log, record_of
from recommender.events import CatalogueEvent, decode_event
from recommender.features import ItemActivity, ItemCatalogue, interaction
from recommender.features.memory import ItemRows
from recommender.features.shopper import Shopper
from recommender.installation import Installation
from recommender.settings import Settings
from recommender.simulator.simulation import Pace, Simulation
from recommender.simulator.steps import Happening
from recommender.store import FeastFeatures
from recommender.store.repository import apply
from recommender.training.dataset import TARGET_KINDS
from recommender.training.history_source import HistorySource
from tests.integration.recount import read_taobao
from tests.integration.stream import Stream

START_US = 1_700_000_000_000_000
STOPS = (0.5, 0.8)
"""Where in the log the stream stops [ratio]."""
EVENTS = 4_000


class Served(NamedTuple):
    """What serving knew at one instant."""

    shoppers: dict[str, Shopper]
    """Id of the next event of a shopper, to what was read just before it."""
    items: list[ItemRows]
    as_of_us: int


def simulated_log() -> list[Any]:
    """Three weeks of a shop: visits of known and unknown shoppers, searches, orders, refunds, prices, stock.

    Every third event of a known shopper comes without a session id; some shoppers keep theirs over visits.
    """
    pace = Pace(EVENTS / (21 * 86_400), daily_rhythm=True, delivery_s=40_000, return_s=90_000, recall_s=200_000)
    shop = Simulation(1, "skew", START_US, pace)
    happened = islice((moment.event for moment in shop.run() if isinstance(moment, Happening)), EVENTS)
    events = [*shop.opening(), *happened]
    for number, event in enumerate(events):
        if event.get("user_id", "").endswith(("2", "5", "8")):
            event["session_id"] = f"cookie-{event['user_id']}"
        if number % 3 == 0 and "user_id" in event:
            event.pop("session_id", None)
    return [decode_event(json.dumps(event)) for event in events]


def taobao_log(file: Path) -> list[Any]:
    events = []
    for seen in sorted(read_taobao(file, EVENTS), key=attrgetter("t")):
        fields = {"event_id": seen.id, "kind": seen.kind, "user_id": seen.user, "item_id": seen.item}
        fields |= {"event_time": f"{np.datetime64(seen.t, 's')}Z", "category": [seen.category]}  # type: ignore[dict-item]
        if seen.kind == "purchase":
            fields["order_id"] = f"{seen.user}-{seen.t}"
        events.append(decode_event(json.dumps(fields)))
    return events


def run_and_read(settings: Settings, log: list[Any]) -> list[Served]:
    """Run the flow over the log, and read at each stop what serving would."""
    apply(settings)
    features, stream, event_log = FeastFeatures.open(settings), Stream(settings), open_event_log(settings)
    read, sent = [], 0
    for stop in (*STOPS, 1.0):
        until = between_instants(log, int(stop * len(log)))
        for start in range(sent, until, 1_000):
            event_log.append([record_of(event) for event in log[start : min(start + 1_000, until)]])
        sent = until
        stream.run_to_the_end()
        if until < len(log):
            read.append(Served(read_shoppers(features, log[until:]), read_items(features), log[until].time_us - 1))
    event_log.close()
    features.close()
    return read


def between_instants(log: list[Any], place: int) -> int:
    """Return a place near another, before which the log holds all of what happened at the same instant."""
    while place < len(log) and log[place].time_us < log[place - 1].time_us + 1_000_000:
        place += 1
    return place


def read_shoppers(features: FeastFeatures, coming: list[Any]) -> dict[str, Shopper]:
    """Read each shopper of whom a target is the next event, just before it."""
    read: dict[str, Shopper] = {}
    heard_of: set[str] = set()
    with asyncio.Runner() as loop:
        for event in coming:
            if isinstance(event, CatalogueEvent):
                continue
            flat = interaction(event)
            theirs = {f"session {flat.session_id}"} | ({f"user {flat.user_id}"} if flat.user_id else set())
            if flat.kind in TARGET_KINDS and not theirs & heard_of:
                asked = features.read_shopper(flat.user_id or None, flat.session_id, flat.time_us)
                read[flat.event_id] = loop.run(asked)
            heard_of |= theirs
    return read


def read_items(features: FeastFeatures) -> list[ItemRows]:
    ids = features.item_ids()
    return list(map(ItemRows, ids, features.read(ItemCatalogue, ids), features.read(ItemActivity, ids)))


def differences(settings: Settings, log: list[Any], served: list[Served]) -> tuple[int, int, list[Any]]:
    """Return how many shoppers and items were compared, and what differs."""
    features = FeastFeatures.open(settings)
    source = HistorySource(Installation(settings.data_dir).history_dir, features.history_batches)
    wanted = sorted(
        (event for event in log if event.kind in TARGET_KINDS), key=lambda event: (event.time_us, event.event_id)
    )
    assert len(source.targets()) == len(wanted)
    number_of = {event.event_id: number for number, event in enumerate(wanted)}
    found: list[Any] = []
    shoppers = items = 0
    for moment in served:
        numbers = sorted((number_of[event_id], event_id) for event_id in moment.shoppers)
        trained = source.shoppers(np.array([number for number, _ in numbers]))
        for (_, event_id), ours in zip(numbers, trained, strict=True):
            shoppers += 1
            if ours != moment.shoppers[event_id]:
                found.append((event_id, ours, moment.shoppers[event_id]))
        in_history = source.items(moment.as_of_us)
        items += len(in_history)
        found += [pair for pair in zip(in_history, moment.items, strict=True) if pair[0] != pair[1]]
    features.close()
    return shoppers, items, found


def test_features_at_training_equal_those_served_in_a_simulated_shop(settings: Settings) -> None:
    log = simulated_log()
    served = run_and_read(settings, log)
    shoppers, items, found = differences(settings, log, served)
    assert found == []
    assert shoppers > 150
    assert items > 500
    read = [shopper for moment in served for shopper in moment.shoppers.values()]
    assert {len(shopper.sessions) for shopper in read} == {0, 1, 2}
    assert any(shopper.purchases for shopper in read)
    assert any(session.recent_queries for shopper in read for session in shopper.sessions)

    event_id, shopper = next((event_id, shopper) for event_id, shopper in served[0].shoppers.items() if shopper.user)
    served[0].shoppers[event_id] = shopper._replace(user=None)  # a difference would be found
    assert [difference[0] for difference in differences(settings, log, served)[2]] == [event_id]


def test_features_at_training_equal_those_served_on_real_events(settings: Settings, real_data: Path) -> None:
    log = taobao_log(real_data / "taobao" / "UserBehavior_9d.csv.gz")
    served = run_and_read(settings, log)
    shoppers, items, found = differences(settings, log, served)
    assert found == []
    assert shoppers > 60
    assert items > 3_000
    assert any(shopper.items and len(shopper.items.items) > 50 for s in served for shopper in s.shoppers.values())

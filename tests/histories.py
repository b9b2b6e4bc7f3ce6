"""Histories for the tests of training: made from events by the folds, and joined by a plain recount of Feast's join."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from recommender.features import FeatureRow, Interaction, ItemCatalogue
from recommender.features import session as sessions
from recommender.features import user as users
from recommender.history import EVENT_TIMESTAMP, HistoryWriter, ensure_tables, parts_glob
from recommender.model.dataset import HistoryJoin

KINDS = ("shoe", "lamp")
CATEGORIES = {"shoe": "Wear > Shoes", "lamp": "Home > Lamps"}


def write_history(history_dir: Path, events: Iterable[Interaction], catalogue: Sequence[ItemCatalogue] = ()) -> None:
    """Write what the stream would of these events, taken in order of time.

    Late events, and those whose id has come before, stand in the history of events but not in the features.
    """
    writer = HistoryWriter(history_dir, "test", 0)
    session_states: dict[str, sessions.SessionState] = {}
    user_states: dict[str, users.UserState] = {}
    seen: set[str] = set()
    for event in sorted(events, key=lambda event: (event.time_us, event.event_id)):
        writer.add_event(event)
        if event.late or event.event_id in seen:
            continue
        seen.add(event.event_id)
        session_state = session_states.setdefault(event.session_id, sessions.SessionState())
        sessions.fold(session_state, event)
        writer.add_row(sessions.row(event.session_id, session_state))
        if event.user_id:
            user_state = user_states.setdefault(event.user_id, users.UserState())
            users.fold(user_state, event)
            writer.add_row(users.row(event.user_id, user_state))
    for row in catalogue:
        writer.add_row(row)
    writer.flush()


def two_taste_history(history_dir: Path, *, sessions_each: int = 120) -> None:
    """Write a shop of shoes and lamps, ten items each, whose visitors look at either shoes or lamps, never at both."""
    rng = random.Random(7)
    events = []
    for visit in range(2 * sessions_each):
        kind = KINDS[visit % 2]
        for step, number in enumerate(rng.sample(range(10), 6)):
            events.append(
                Interaction(
                    f"e-{visit}-{step}",
                    "view",
                    (1_000_000 + visit * 600 + step * 20) * 1_000_000,
                    f"visit-{visit}",
                    user_id=f"user-{visit % 40}" if visit % 4 < 2 else "",
                    item_id=f"{kind}-{number}",
                    category=CATEGORIES[kind],
                )
            )
    catalogue = [described(f"{kind}-{number}", kind) for kind in KINDS for number in range(11)]
    write_history(history_dir, events, catalogue)


def described(item_id: str, kind: str) -> ItemCatalogue:
    """Return the catalogue row of a shoe or a lamp; number 10 of each is never looked at."""
    title, brand = f"Fine {kind}", f"{kind} makers"
    return ItemCatalogue(item_id, 1, True, 5, 4_900, "EUR", title, CATEGORIES[kind], brand, ["sale"], "", "", 1)


def plain_join(history_dir: Path) -> HistoryJoin:
    """Return a point-in-time join that takes, view by view, the latest row not after each instant."""
    ensure_tables(history_dir)

    def join(entity_rows: pd.DataFrame, row_types: Sequence[type[FeatureRow]]) -> pd.DataFrame:
        joined = entity_rows.sort_values(EVENT_TIMESTAMP)
        for row_type in row_types:
            rows = pq.read_table(parts_glob(history_dir, row_type.view).rpartition("/")[0]).to_pandas()
            names = {column.name: f"{row_type.view}__{column.name}" for column in row_type.columns()}
            rows = rows.rename(columns=names).sort_values(EVENT_TIMESTAMP)
            rows[f"{row_type.view}__{EVENT_TIMESTAMP}"] = rows[EVENT_TIMESTAMP]
            joined = pd.merge_asof(joined, rows, on=EVENT_TIMESTAMP, by=row_type.entity)
        return joined

    return join

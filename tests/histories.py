"""Histories for the tests of training: made from events by the folds, and joined by a plain recount of Feast's join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from recommender.features import FeatureRow, Interaction, ItemCatalogue
from recommender.features import session as sessions
from recommender.features import user as users
from recommender.history import EVENT_TIMESTAMP, HistoryWriter, ensure_tables, parts_glob
from recommender.model.dataset import HistoryJoin


def write_history(history_dir: Path, events: Iterable[Interaction], catalogue: Sequence[ItemCatalogue] = ()) -> None:
    """Write what the stream would of these events, taken in order of time."""
    writer = HistoryWriter(history_dir, "test", 0)
    session_states: dict[str, sessions.SessionState] = {}
    user_states: dict[str, users.UserState] = {}
    for event in sorted(events, key=lambda event: (event.time_us, event.event_id)):
        session_state = session_states.setdefault(event.session_id, sessions.SessionState())
        sessions.fold(session_state, event)
        writer.add_row(sessions.row(event.session_id, session_state))
        if event.user_id:
            user_state = user_states.setdefault(event.user_id, users.UserState())
            users.fold(user_state, event)
            writer.add_row(users.row(event.user_id, user_state))
        writer.add_event(event)
    for row in catalogue:
        writer.add_row(row)
    writer.flush()


def plain_join(history_dir: Path) -> HistoryJoin:
    """Return a point-in-time join that takes, view by view, the latest row not after each instant."""
    ensure_tables(history_dir)

    def join(entity_rows: pd.DataFrame, row_types: Sequence[type[FeatureRow]]) -> pd.DataFrame:
        joined = entity_rows.sort_values(EVENT_TIMESTAMP)
        for row_type in row_types:
            rows = pq.read_table(parts_glob(history_dir, row_type.view).rpartition("/")[0]).to_pandas()
            names = {column.name: f"{row_type.view}__{column.name}" for column in row_type.columns()}
            rows = rows.rename(columns=names).sort_values(EVENT_TIMESTAMP)
            joined = pd.merge_asof(joined, rows, on=EVENT_TIMESTAMP, by=row_type.entity)
        return joined

    return join

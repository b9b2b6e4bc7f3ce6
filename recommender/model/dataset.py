"""What training learns from: the events that can be examples, and what each shopper looked like just before each.

An event never stands in its own features, nor does another of the same shopper and instant: a line of one order says
nothing of the other lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

from recommender.features import (
    ColumnType,
    FeatureRow,
    ItemCatalogue,
    SessionFeatures,
    UserFeatures,
    aged,
    implicit_session,
)
from recommender.features.item_catalogue import UNKNOWN
from recommender.features.memory import ItemRows
from recommender.features.shopper import Shopper
from recommender.history import EVENT_TIMESTAMP, EVENTS, SCHEMAS, part_files
from recommender.model.description import Description, describe_item, describe_shopper
from recommender.model.encoding import Encoded, encode

HistoryJoin = Callable[[pd.DataFrame, Sequence[type[FeatureRow]]], pd.DataFrame]
"""Adds to entity rows (entity ids, ``event_timestamp``, others that pass through) the columns of each view as
``view__column``, as of each row's timestamp, and ``view__event_timestamp``, the feature time of what was found; null
where nothing was known. The order of rows may change."""

TARGET_WEIGHTS = {"view": 1.0, "click": 1.0, "add_to_wishlist": 2.0, "add_to_cart": 2.0, "purchase": 3.0}
"""Kinds of events that are examples, with their weight."""
TARGET_KINDS = tuple(TARGET_WEIGHTS)
_WEIGHTS = np.array(list(TARGET_WEIGHTS.values()), np.float32)

Numbers = npt.NDArray[np.int64]
_Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False, slots=True)
class Targets:
    """The events that can be examples, as columns, in order of (time, event id): late and repeated ones left out.

    Each column has one element for each event. Ids are places in the lists of ids, which are sorted.
    """

    times_us: Numbers
    kinds: npt.NDArray[np.int8]
    """Places in ``TARGET_KINDS``."""
    sessions: _Codes
    users: _Codes
    """-1 for a shopper not known."""
    items: _Codes
    devices: _Codes
    countries: _Codes
    orders: _Codes
    """Alike for the lines of one order; -1 for an event that is no purchase, or one without an order id."""
    session_ids: pa.StringArray
    """An Arrow array, as there may be millions."""
    user_ids: list[str]
    item_ids: list[str]
    device_names: list[str]
    """With "" for unknown, if there are such events; likewise the countries."""
    country_names: list[str]

    def __len__(self) -> int:
        return len(self.times_us)

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """Weight of each event by its kind."""
        return _WEIGHTS[self.kinds]

    def moments(self, numbers: Numbers) -> tuple[Numbers, _Codes]:
        """Return which of these events stand for a state of their own, and for each event the place of its state.

        Events of one instant of the same shopper (session, user, device and country) share a state.

        Args:
            numbers: of events, ascending.

        Returns:
            The number of the first event of each state, ascending; and for each of ``numbers`` a place in them.
        """
        columns = (self.times_us, self.sessions, self.users, self.devices, self.countries)
        keys = [column[numbers] for column in columns]
        order = np.lexsort(keys[::-1])
        is_new = np.zeros(len(numbers), np.bool_)
        for key in keys:
            ordered = key[order]
            is_new[1:] |= ordered[1:] != ordered[:-1]
        is_new[:1] = True
        # lexsort is stable, so the first of each run is the first of the state's events.
        firsts = order[is_new]
        by_number = np.argsort(firsts)
        place_of_run = np.empty(len(firsts), np.int32)
        place_of_run[by_number] = np.arange(len(firsts), dtype=np.int32)
        places = np.empty(len(numbers), np.int32)
        places[order] = place_of_run[np.cumsum(is_new) - 1]
        return numbers[firsts[by_number]], places


def by_moment(targets: Targets, numbers: Numbers, at: Callable[[Numbers], Iterator[Shopper]]) -> Iterator[Shopper]:
    """Yield a shopper for each of these targets, asking but once for those that share a state.

    Args:
        targets: all of them.
        numbers: of targets, ascending.
        at: yields a shopper for each number that it is given.
    """
    firsts, places = targets.moments(numbers)
    found = at(firsts)
    of_instant: dict[int, Shopper] = {}
    instant_us = None
    for time_us, place in zip(targets.times_us[numbers].tolist(), places.tolist(), strict=True):
        if time_us != instant_us:
            of_instant.clear()
            instant_us = time_us
        if place not in of_instant:
            of_instant[place] = next(found)
        yield of_instant[place]


class TrainingSource(Protocol):
    """Where the training set comes from: an installation's history, or a list of events."""

    def targets(self) -> Targets:
        """Return the events that can be examples."""

    def shoppers(self, numbers: Numbers) -> Iterator[Shopper]:
        """Yield the shopper just before each of these targets, aged to its instant, as serving would read it.

        Args:
            numbers: of targets, ascending.
        """

    def items(self, as_of_us: int) -> list[ItemRows]:
        """Return the latest rows of each item at or before an instant, not aged, in order of item ids."""


LEAST_EVENTS = 20
LEAST_ITEMS = 2

_STATE_KEY = ["session_id", "user_id", "time_us", "device", "country"]
_LISTS = (ColumnType.INT_LIST, ColumnType.FLOAT_LIST, ColumnType.STRING_LIST)
_ROW = TypeVar("_ROW", bound=FeatureRow)


class TooLittleHistory(ValueError):
    """The history is too small to train on; the text says what is missing."""


class TrainingSet(NamedTuple):
    """Examples in order of time. Several may share a state: lines of one order, for instance."""

    states: Encoded
    """Description of a shopper just before an event."""
    items: Encoded
    """Description of each of ``item_ids``."""
    item_ids: list[str]
    state_numbers: npt.NDArray[np.int32]
    """int32 [n_examples], row in ``states``."""
    item_numbers: npt.NDArray[np.int32]
    """int32 [n_examples], row in ``items``."""
    weights: npt.NDArray[np.float32]
    times_us: npt.NDArray[np.int64]
    users: int
    events: int
    """Events that could be examples; more than examples where an even sample was taken."""


def build(history_dir: Path, join: HistoryJoin, *, most_examples: int) -> TrainingSet:
    """Build the training set from the history.

    Where there are more events than ``most_examples``, an even sample over time is taken.

    Raises:
        TooLittleHistory: there are too few events, or they are about one item only.
    """
    events = read_targets(history_dir)
    distinct = events["item_id"].nunique()
    if len(events) < LEAST_EVENTS or distinct < LEAST_ITEMS:
        raise TooLittleHistory(
            f"train: the history must hold at least {LEAST_EVENTS} events about at least {LEAST_ITEMS} items; "
            f"got {len(events)} events about {distinct} items"
        )
    items = describe_items(events, history_dir)
    numbers = {item_id: number for number, item_id in enumerate(items)}
    sample = events
    if len(events) > most_examples:
        sample = events.iloc[np.linspace(0, len(events) - 1, most_examples).round().astype(np.int64)]
    states = sample.drop_duplicates(_STATE_KEY)[_STATE_KEY].reset_index(drop=True)
    number_of_state = pd.Series(states.index, index=pd.MultiIndex.from_frame(states))
    return TrainingSet(
        states=encode(describe_states(states, set(events["session_id"]), join)),
        items=encode(items.values()),
        item_ids=list(items),
        state_numbers=number_of_state.loc[pd.MultiIndex.from_frame(sample[_STATE_KEY])].to_numpy(np.int32),
        item_numbers=np.array([numbers[item_id] for item_id in sample["item_id"]], np.int32),
        weights=sample["kind"].map(TARGET_WEIGHTS).to_numpy(np.float32),
        times_us=sample["time_us"].to_numpy(np.int64),
        users=int(sample["user_id"][sample["user_id"] != ""].nunique()),
        events=len(events),
    )


def read_targets(history_dir: Path) -> pd.DataFrame:
    """Return the events that can be examples, each once, without late ones, in order of time."""
    columns = ["event_id", "kind", "event_time", "session_id", "user_id", "item_id", "category", "brand"]
    columns += ["price_cents", "device", "country"]
    wanted = (ds.field("kind").isin(list(TARGET_WEIGHTS))) & ~ds.field("late") & (ds.field("item_id") != "")
    events = _read(history_dir, EVENTS, columns, wanted)
    events = events.drop_duplicates("event_id")
    events["time_us"] = events.pop("event_time").astype("int64")
    return events.sort_values(["time_us", "event_id"], ignore_index=True)


def describe_items(events: pd.DataFrame, history_dir: Path) -> dict[str, Description]:
    """Return the description of each item of the catalogue and of the events, by item id.

    What the catalogue does not say is taken from the latest event that says it.
    """
    columns = ["item_id", EVENT_TIMESTAMP, "category", "brand", "price_cents", "title", "tags"]
    rows = _read(history_dir, ItemCatalogue.view, columns, None)
    rows = rows.sort_values(EVENT_TIMESTAMP).drop_duplicates("item_id", keep="last").set_index("item_id")
    content = rows.reindex(sorted(set(rows.index) | set(events["item_id"])))
    unknowns: dict[str, str | int] = {"category": "", "brand": "", "price_cents": UNKNOWN, "title": ""}
    for column, unknown in unknowns.items():
        known = content[column].notna() & (content[column] != unknown)
        said = _last_said(events, column).reindex(content.index) if column in events else unknown
        content[column] = content[column].where(known, said).fillna(unknown)
    descriptions = (
        describe_item(item_id, category, brand, int(price_cents), title, list(tags) if has_tags else [])
        for item_id, category, brand, price_cents, title, tags, has_tags in zip(
            content.index,
            *(content[column] for column in ("category", "brand", "price_cents", "title", "tags")),
            content["tags"].notna(),
            strict=True,
        )
    )
    return dict(zip(content.index, descriptions, strict=True))


def describe_states(states: pd.DataFrame, session_ids: set[str], join: HistoryJoin) -> Iterator[Description]:
    """Describe the shopper of each state as serving would: by the session, the user's implicit session, the user.

    The rows are those of just before the event, aged to its instant, as serving ages what it reads.

    Args:
        states: columns session_id, user_id, time_us, device, country.
        session_ids: sessions that exist; an implicit session that does not is not looked up.
        join: the feature store's point-in-time join.
    """
    frame = states[["session_id", "user_id"]].copy()
    frame[EVENT_TIMESTAMP] = pd.to_datetime(states["time_us"] - 1, unit="us", utc=True).dt.as_unit("us")
    frame["state"] = frame.index
    own = implicit_session("") + frame["user_id"]
    apart = (frame["user_id"] != "") & (own != frame["session_id"]) & own.isin(session_ids)
    joined = join(frame, [SessionFeatures, UserFeatures])
    explicit, users = _rows(joined, SessionFeatures), _rows(joined, UserFeatures)
    implicit: dict[int, SessionFeatures] = {}
    if apart.any():
        implicit = _rows(join(frame[apart].assign(session_id=own[apart]), [SessionFeatures]), SessionFeatures)
    for state, (time_us, device, country) in enumerate(
        zip(states["time_us"].tolist(), states["device"], states["country"], strict=True)
    ):
        sessions = [rows[state] for rows in (explicit, implicit) if state in rows]
        sessions.sort(key=_last_event_ms, reverse=True)
        sessions = [aged(session, time_us) for session in sessions]
        user = users.get(state)
        if user is not None:
            user = aged(user, time_us)
        yield describe_shopper(Shopper(user, sessions), now_us=time_us, device=device, country=country)


def _rows(joined: pd.DataFrame, row_type: type[_ROW]) -> dict[int, _ROW]:
    """Return the rows that the join has found, by state."""
    names = [f"{row_type.view}__{column.name}" for column in row_type.columns()]
    found = joined[joined[names[0]].notna()]
    columns = [_as_python(found[name], column.type) for name, column in zip(names, row_type.columns(), strict=True)]
    keys = found[row_type.entity].tolist()
    times = found[f"{row_type.view}__{EVENT_TIMESTAMP}"].dt.as_unit("us").astype("int64").tolist()
    rows = (row_type(*values) for values in zip(keys, times, *columns, strict=True))
    return dict(zip(found["state"].tolist(), rows, strict=True))


def _as_python(values: pd.Series[Any], kind: ColumnType) -> list[Any]:
    if kind in _LISTS:
        return [list(value) for value in values]
    if kind is ColumnType.INT:
        return values.astype("int64").tolist()
    return values.tolist()


def _last_event_ms(session: SessionFeatures) -> float:
    return session.started_at_ms + 1000 * session.duration_s


def _read(history_dir: Path, table: str, columns: list[str], wanted: ds.Expression | None) -> pd.DataFrame:
    files = [str(path) for path in part_files(history_dir, table)]
    found: pd.DataFrame = ds.dataset(files, schema=SCHEMAS[table]).to_table(columns=columns, filter=wanted).to_pandas()
    return found


def _last_said(events: pd.DataFrame, column: str) -> pd.Series[Any]:
    said = events[~events[column].isin(["", UNKNOWN])]
    return said.drop_duplicates("item_id", keep="last").set_index("item_id")[column]

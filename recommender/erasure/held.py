"""What the event log and the history hold of users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from recommender.erasure.control import is_control
from recommender.erasure.naming import named_in_entry, whose
from recommender.eventlog import SHOPPER, EventLog, LogEntry, LogPositionLost, Partition
from recommender.events import InvalidEvent
from recommender.features import implicit_session
from recommender.history import EVENTS, part_files
from recommender.history.erasing import PERSONAL_TABLES, Persons, files_with

_ENTRIES = 2_000
"""Of the event log that are read at once."""
Rest = Callable[[], None]
"""Called now and then during long work; may raise to end it."""


class Sessions:
    """The sessions in which users were known, as far as they were met."""

    def __init__(self, users: frozenset[str]) -> None:
        self.users = users
        self.of: dict[str, set[str]] = {user_id: {implicit_session(user_id)} for user_id in users}

    def meet(self, user_id: str, session_id: str) -> None:
        """Take note of a session."""
        if session_id and user_id in self.of:
            self.of[user_id].add(session_id)

    def persons(self) -> Persons:
        """Return the users and all of their sessions."""
        return Persons(self.users, frozenset(session for sessions in self.of.values() for session in sessions))


def entries(log: EventLog, partition: Partition, rest: Rest) -> Iterator[LogEntry]:
    """Yield all that a partition holds now."""
    position = ""
    while True:
        rest()
        try:
            some = log.read(partition, position, _ENTRIES)
        except LogPositionLost:
            some = []
        yield from some
        if not some:
            return
        position = some[-1].position


def shopper_partitions(log: EventLog) -> list[Partition]:
    """Return the partitions in which shopper events are."""
    return [partition for partition in log.partitions() if partition.topic == SHOPPER]


def meet_in_log(log: EventLog, sessions: Sessions, rest: Rest) -> None:
    """Find the users' sessions in the event log."""
    for partition in shopper_partitions(log):
        for entry in entries(log, partition, rest):
            try:
                sessions.meet(*whose(entry.payload))
            except InvalidEvent:
                continue


def meet_in_history(history_dir: Path, sessions: Sessions, rest: Rest) -> None:
    """Find the users' sessions in the history."""
    users = Persons(sessions.users, frozenset())
    for _, found in files_with(EVENTS, users, part_files(history_dir, EVENTS), rest):
        for row in found.to_pylist():
            sessions.meet(row["user_id"], row["session_id"])


class LogFinds(NamedTuple):
    """Entries of a partition, each with the user or session whose it is."""

    partition: Partition
    entries: list[tuple[str, LogEntry]]
    controls: list[LogEntry]
    """Control events, of any erasure."""


def find_in_log(log: EventLog, persons: Persons, rest: Rest) -> Iterator[LogFinds]:
    """Yield the entries of the log that are theirs, partition by partition."""
    for partition in shopper_partitions(log):
        found: list[tuple[str, LogEntry]] = []
        controls: list[LogEntry] = []
        for entry in entries(log, partition, rest):
            if is_control(entry.payload):
                controls.append(entry)
            elif names := list(named_in_entry(entry.payload, persons)):
                found.append((names[0], entry))
        yield LogFinds(partition, found, controls)


def count_in_history(history_dir: Path, sessions: Sessions, rest: Rest) -> dict[str, Counter[str]]:
    """Return for each user how many rows of each table are the user's."""
    persons = sessions.persons()
    owner = {session_id: user_id for user_id, own in sessions.of.items() for session_id in own}
    counts: dict[str, Counter[str]] = {}
    for table in PERSONAL_TABLES:
        for _, found in files_with(table, persons, part_files(history_dir, table), rest):
            for row in found.to_pylist():
                user_id = row.get("user_id", "")
                whose_row = user_id if user_id in sessions.users else owner[row["session_id"]]
                counts.setdefault(whose_row, Counter())[table] += 1
    return counts

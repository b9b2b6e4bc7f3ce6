"""Which rows of the history's tables are a user's, and part-files without them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recommender.features import ROW_TYPES, SessionFeatures, UserFeatures
from recommender.history.schema import EVENTS, SCHEMAS

_log = logging.getLogger(__name__)

USER, SESSION = UserFeatures.entity, SessionFeatures.entity
PERSONAL_TABLES = (
    EVENTS,
    *(row_type.view for row_type in ROW_TYPES if row_type.entity in (USER, SESSION)),
)
"""Those whose rows are of shoppers; all others are of items."""


class Persons(NamedTuple):
    """Users, and the sessions in which they were known."""

    users: frozenset[str]
    sessions: frozenset[str]

    def with_(self, other: Persons) -> Persons:
        """Return both."""
        return Persons(self.users | other.users, self.sessions | other.sessions)


NOBODY = Persons(frozenset(), frozenset())


def theirs(name: str, table: pa.Table, persons: Persons) -> pa.Array:
    """Return for each row of a table whether it is theirs, or an event of nobody known in one of their sessions.

    Args:
        name: of the table; one of ``PERSONAL_TABLES``.
        table: with at least the columns ``columns_of(name)``.
        persons: who.
    """
    users, sessions = (pa.array(sorted(ids), pa.string()) for ids in persons)
    of_user = pc.is_in(table[USER], users) if USER in table.column_names else None
    if SESSION not in table.column_names:
        return pc.fill_null(of_user, False)
    of_session = pc.is_in(table[SESSION], sessions)
    if name == EVENTS:
        of_session = pc.and_kleene(of_session, pc.equal(table[USER], ""))
    return pc.fill_null(pc.or_kleene(of_user, of_session), False)


def columns_of(name: str) -> list[str]:
    """Return the columns of a table that tell whose a row is."""
    return [column for column in (USER, SESSION) if column in SCHEMAS[name].names]


def files_with(
    name: str, persons: Persons, files: Collection[Path], rest: Callable[[], None] = lambda: None
) -> Iterator[tuple[Path, pa.Table]]:
    """Yield those of a table's files that hold rows of theirs, each with the columns ``columns_of(name)`` of these.

    Args:
        name: of the table.
        persons: who.
        files: where to look.
        rest: called before each file; may raise to end the work.
    """
    for path in files:
        rest()
        try:
            table = pq.read_table(path, columns=columns_of(name), partitioning=None)
        except FileNotFoundError:  # merged meanwhile
            continue
        except (
            pa.ArrowInvalid,
            OSError,
        ) as error:  # nobody can read whose rows it holds; the others are to go all the same
            _log.error("%s: must be a sound part-file, so nobody is erased from it; %s", path, type(error).__name__)
            continue
        found = table.filter(theirs(name, table, persons))
        if len(found):
            yield path, found


def without(path: Path, name: str, persons: Persons) -> pa.Table:
    """Return the rows of a part-file that are not theirs."""
    table = pq.read_table(path, schema=SCHEMAS[name], partitioning=None)
    return table.filter(pc.invert(theirs(name, table, persons)))


def rows_of(path: Path, name: str, persons: Persons) -> pa.Table:
    """Return the rows of a part-file that are theirs."""
    table = pq.read_table(path, schema=SCHEMAS[name], partitioning=None)
    return table.filter(theirs(name, table, persons))

"""All that a request asks of Redis, in one round trip: the shopper's feature rows, and what else the caller wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from recommender.features import FeatureRow, SessionFeatures, UserFeatures, UserItems, UserPurchases, aged
from recommender.features.interaction import implicit_session
from recommender.features.shopper import Shopper
from recommender.store.unwire import RowReader, feature_time_us

R = TypeVar("R", bound=FeatureRow)

Readers = Callable[[type[R]], RowReader[R]]
_OF_USER: tuple[type[FeatureRow], ...] = (UserFeatures, UserItems, UserPurchases)


class LookUp:
    """The answers to one question, as Redis gave them.

    Rows are decoded when they are asked for: whoever finds that nothing has changed, by the ``stamp``, need not pay.
    """

    def __init__(self, places: Sequence[tuple[RowReader[Any], str]], replies: Sequence[Any]) -> None:
        self._places = places
        self._rows: Sequence[Sequence[bytes | None]] = replies[: len(places)]
        self.answers: list[Any] = list(replies[len(places) :])
        """Of the further commands, in their order."""
        stamps = [row[0] or b"" for row in self._rows]
        self.stamp = b"".join([b"%c%b" % (len(stamp), stamp) for stamp in stamps])
        """Is another one as soon as any row of the shopper is newer, came or went."""

    def shopper(self, now_us: int | None = None) -> Shopper:
        """Return the shopper's rows as of ``now_us``; without it each is as it is stored, as of its feature time."""
        sessions: list[SessionFeatures] = []
        of_user: dict[type[FeatureRow], Any] = {}
        latest_us = 0
        for (reader, key), values in zip(self._places, self._rows, strict=True):
            row = reader.decode(key, values)
            if row is None:
                continue
            latest_us = max(latest_us, row.time_us)
            if now_us is not None:
                row = aged(row, now_us)
            if reader.row_type is SessionFeatures:
                sessions.append(row)
            else:
                of_user[reader.row_type] = row
        sessions.sort(key=lambda row: row.feature_time_us, reverse=True)
        user, items, purchases = (of_user.get(row_type) for row_type in _OF_USER)
        return Shopper(user, sessions, items, purchases, latest_us)

    @property
    def feature_time_us(self) -> int:
        """The latest feature time of the shopper's rows; 0 without any."""
        return max((feature_time_us(row[0]) for row in self._rows), default=0)


def places(
    reader_of: Callable[[type[FeatureRow]], RowReader[Any]], user_id: str | None, session_id: str | None
) -> list[tuple[RowReader[Any], str]]:
    """Return which rows tell of a shopper: those of the user, of the user's implicit session, of the named session."""
    found = []
    own = implicit_session(user_id) if user_id else None
    if own:
        found.append((reader_of(SessionFeatures), own))
    if session_id and session_id != own:
        found.append((reader_of(SessionFeatures), session_id))
    if user_id:
        found += [(reader_of(row_type), user_id) for row_type in _OF_USER]
    return found

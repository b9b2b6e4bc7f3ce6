"""The events of each shopper so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from heapq import merge

from recommender.evaluation.log import Event
from recommender.features.interaction import Interaction


class Histories:
    """Keeps the events of users, and of sessions as far as they are anonymous, in the order of arrival."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self._of_user: defaultdict[str, list[Interaction]] = defaultdict(list)
        self._of_session: defaultdict[str, list[Interaction]] = defaultdict(list)
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Add an event; those of the catalogue are nobody's."""
        if isinstance(event, Interaction):
            if event.user_id:
                self._of_user[event.user_id].append(event)
            else:
                self._of_session[event.session_id].append(event)

    def of(self, user_id: str, session_id: str) -> list[Interaction]:
        """Return a shopper's events: the user's, and those of the session from before it was known whose it is."""
        anonymous = self._of_session.get(session_id, [])
        known = self._of_user.get(user_id, []) if user_id else []
        if anonymous and known:
            return list(merge(known, anonymous, key=lambda event: event.time_us))
        return list(known or anonymous)

    def users(self) -> list[str]:
        """Return the users, in the order of their first events."""
        return list(self._of_user)

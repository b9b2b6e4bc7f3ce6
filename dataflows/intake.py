"""The first step of the feature flow: reads events, drops repeated ones, marks late ones, and pairs items.

It is keyed by the partition of the event log, so it sees the events of each shopper in the order of the log, whatever
the number of workers.
"""

from __future__ import annotations

import msgspec

from dataflows import metrics
from dataflows.effects import Effects
from dataflows.erasing import erase_states
from dataflows.keyed_state import KeyedState
from dataflows.log_source import Arrival
from dataflows.sharding import Retention
from recommender.deadletters import dead_letter
from recommender.erasure.control import Controls, EraseControl, FalseControl, Subject, is_control
from recommender.events import InvalidEvent
from recommender.features import Interaction, intake, pairs
from recommender.features.interaction import read_interaction
from recommender.features.pairs import Trail
from recommender.settings import Settings

_SEPARATOR = "\n"  # in no id


class IntakeState(msgspec.Struct, array_like=True, gc=False):
    """What is remembered of a shopper's session to judge its next event, and to pair it with those before."""

    latest_us: int = 0
    seen: dict[int, int] = {}
    views: Trail = []
    purchases: Trail = []


class IntakeStage:
    """Keyed by partition, in it by shopper and session."""

    name = "intake"
    state_type = IntakeState

    def __init__(self, settings: Settings) -> None:
        self.retention = Retention(lambda _: settings.session_days)
        self._controls = Controls(settings)

    def process(self, inputs: list[list[Arrival]], states: KeyedState[IntakeState]) -> Effects:
        """Return each valid event once, flat, and a dead letter for each invalid one."""
        made = Effects()
        kinds: dict[str, int] = {}
        for arrivals in inputs:
            for partition, entry, number in arrivals:
                payload = entry.payload
                try:
                    if entry.problem:
                        raise InvalidEvent(entry.problem)
                    if is_control(payload):
                        payload = b""  # a false one may name whom it likes
                        made.erasures.append(self._erase(entry.payload, states))
                        continue
                    event = read_interaction(payload, entry.ingested_us, number)
                except (InvalidEvent, FalseControl) as error:
                    source = f"{partition.name} {entry.position}"
                    seen_at = entry.ingested_us / 1e6
                    letter = dead_letter(source, str(error), payload, seen_at, number)
                    if entry.problem:  # beside the payload, which therefore is not all that came
                        letter = msgspec.structs.replace(letter, whole=False)
                    made.letters.append(letter)
                    continue
                kinds[event.kind] = kinds.get(event.kind, 0) + 1
                if not isinstance(event, Interaction):
                    made.catalogue.append(event)
                elif self._counts(event, states):
                    made.events.append(event)
        for kind, count in kinds.items():
            metrics.EVENTS.labels(kind).inc(count)
        return made

    def _erase(self, payload: bytes, states: KeyedState[IntakeState]) -> EraseControl:
        """Forget the users and their sessions, and complete the sessions by those of which the request did not know."""
        control = self._controls.read(payload)
        users, sessions = control.users, control.sessions
        found: dict[str, list[str]] = {}

        def is_theirs(key: str) -> bool:
            user_id, _, session_id = key.partition(_SEPARATOR)
            if user_id in users:
                found.setdefault(user_id, []).append(session_id)
            return user_id in users or (not user_id and session_id in sessions)

        erase_states(control, states, states.find(is_theirs))
        more = tuple(Subject(user_id, tuple(session_ids)) for user_id, session_ids in found.items())
        return msgspec.structs.replace(control, subjects=control.subjects + more)

    def _counts(self, event: Interaction, states: KeyedState[IntakeState]) -> bool:
        """Tell whether the event is here for the first time; mark it if it is late, else pair it."""
        state = states.touch(f"{event.user_id}{_SEPARATOR}{event.session_id}")
        if intake.is_repeated(state.seen, event):
            metrics.DUPLICATES.inc()
            return False
        if intake.is_late(state.latest_us, event):
            metrics.LATE.inc()
            event.late = True
            return True
        state.latest_us = max(state.latest_us, event.time_us)
        if event.kind == "view":
            event.pairs = pairs.meet(state.views, event)
        elif event.kind == "purchase":
            event.pairs = pairs.meet(state.purchases, event)
        return True

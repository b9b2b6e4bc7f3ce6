"""What the steps of the feature flow do at an erasure.

A control event goes the ways of all events: from each partition of the event log through every shard of the catalogue
to the shards of the sessions, and from each of these to the shard of the user. It takes effect at each arrival, so that
behind the last one nothing is left of what came before it, whatever overtook what. What comes after it while it is on
its way may be erased as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from dataflows.effects import Effects, Forgotten
from dataflows.keyed_state import KeyedState
from dataflows.sharding import shard_of
from recommender.erasure.control import EraseControl, Subject
from recommender.features import Interaction, SessionFeatures, UserFeatures, implicit_session


def apart(
    inputs: Iterable[Iterable[Interaction | EraseControl]],
) -> tuple[list[Interaction], list[EraseControl]]:
    """Return the events and the control events of a batch. The latter take effect behind all of the former."""
    events: list[Interaction] = []
    controls: list[EraseControl] = []
    for some in inputs:
        for value in some:
            if isinstance(value, EraseControl):
                controls.append(value)
            else:
                events.append(value)
    return events, controls


def by_session_shard(control: EraseControl) -> dict[str, EraseControl]:
    """Return for each shard of sessions what it has to erase."""
    shards: dict[str, list[Subject]] = {}
    for subject in control.subjects:
        own: dict[str, list[str]] = {}
        for session_id in {*subject.session_ids, implicit_session(subject.user_id)}:
            own.setdefault(shard_of(session_id), []).append(session_id)
        for shard, session_ids in own.items():
            shards.setdefault(shard, []).append(Subject(subject.user_id, tuple(session_ids)))
    return {shard: msgspec.structs.replace(control, subjects=tuple(some)) for shard, some in shards.items()}


def by_user_shard(control: EraseControl) -> dict[str, EraseControl]:
    """Return for each shard of users what it has to erase."""
    shards: dict[str, list[Subject]] = {}
    for subject in control.subjects:
        shards.setdefault(shard_of(subject.user_id), []).append(subject)
    return {shard: msgspec.structs.replace(control, subjects=tuple(some)) for shard, some in shards.items()}


def erase_states(control: EraseControl, states: KeyedState[Any], keys: Iterable[str]) -> None:
    """Drop the states of these keys, or sweep the file that held them."""
    if control.step == "drop":
        states.drop(keys, control.batch_id)
    else:
        states.sweep(control.batch_id)


def erase_sessions(controls: Iterable[EraseControl], made: Effects, states: KeyedState[Any]) -> None:
    """Erase sessions: from the states, and from what the batch has made so far."""
    for control in controls:
        made.erasures.append(control)
        sessions, users = control.sessions, control.users
        erase_states(control, states, sessions)
        if control.step == "drop":
            made.rows = [row for row in made.rows if row.key not in sessions]
            made.events = [event for event in made.events if not is_of(event, users, sessions)]
            made.forgotten += [Forgotten(SessionFeatures.entity, session_id) for session_id in sessions]


def erase_users(controls: Iterable[EraseControl], made: Effects, states: KeyedState[Any]) -> None:
    """Erase users: from the states, and from what the batch has made so far."""
    for control in controls:
        made.erasures.append(control)
        users = control.users
        erase_states(control, states, users)
        if control.step == "drop":
            made.rows = [row for row in made.rows if row.key not in users]
            made.forgotten += [Forgotten(UserFeatures.entity, user_id) for user_id in users]


def is_of(event: Interaction, users: frozenset[str], sessions: frozenset[str]) -> bool:
    """Tell whether an event is one of these users', or an anonymous one of their sessions."""
    return event.user_id in users or (not event.user_id and event.session_id in sessions)

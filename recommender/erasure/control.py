"""The control event of an erasure: it stands in the event log, in order with the events of shoppers.

It is none of the public kinds: the API refuses it like any unknown kind, and no schema tells of it. Only the
installation itself can make one, as it carries a proof by the installation's secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from recommender.erasure.secret import Secret
from recommender.eventlog import SHOPPER, LogRecord, Partition

_MARK = b'{"liveshelf_control":'
MOST_SESSIONS = 2_000
"""In one control event [count]."""

Step = Literal["drop", "sweep"]
"""First the states are dropped. Once no crash can bring them back, files are swept of what they still hold."""


class Subject(msgspec.Struct, frozen=True):
    """A user, and the sessions in which the user was known."""

    user_id: str
    session_ids: tuple[str, ...] = ()


class EraseControl(msgspec.Struct, frozen=True):
    """What is to be erased, on its way through the stream."""

    batch_id: str
    step: Step
    subjects: tuple[Subject, ...]

    @property
    def users(self) -> frozenset[str]:
        """The users."""
        return frozenset(subject.user_id for subject in self.subjects)

    @property
    def sessions(self) -> frozenset[str]:
        """The sessions of all of them."""
        return frozenset(session for subject in self.subjects for session in subject.session_ids)


class FalseControl(ValueError):
    """A control event that this installation has not made."""


class _Envelope(msgspec.Struct):
    liveshelf_control: msgspec.Raw
    proof: str


def is_control(payload: bytes) -> bool:
    """Tell whether an entry of the event log says that it is a control event."""
    return payload.startswith(_MARK)


def encode_control(control: EraseControl, secret: Secret) -> bytes:
    """Return the entry of the event log."""
    body = msgspec.json.encode(control)
    return msgspec.json.encode(_Envelope(msgspec.Raw(body), secret.proof(body)))


def read_control(payload: bytes, secret: Secret) -> EraseControl:
    """Read an entry of the event log for which ``is_control`` holds.

    Raises:
        FalseControl: it is damaged, or this installation has not made it.
    """
    try:
        envelope = msgspec.json.decode(payload, type=_Envelope)
        body = bytes(envelope.liveshelf_control)
        if secret.has_proved(body, envelope.proof):
            return msgspec.json.decode(body, type=EraseControl)
    except msgspec.DecodeError:
        pass
    raise FalseControl("control: must be made by this installation, whose proof it carries")


def records_of(
    batch_id: str, step: Step, subjects: Sequence[Subject], partitions: Iterable[Partition], secret: Secret
) -> list[LogRecord]:
    """Return the control events that have to be appended: the same ones to each partition of shopper events."""
    payloads = [encode_control(EraseControl(batch_id, step, some), secret) for some in _divided(subjects)]
    return [
        LogRecord(SHOPPER, "", payload, partition.number)
        for partition in partitions
        if partition.topic == SHOPPER
        for payload in payloads
    ]


def _divided(subjects: Sequence[Subject]) -> Iterator[tuple[Subject, ...]]:
    """Divide the subjects so that no control event has too many sessions; a user may be in several."""
    some: list[Subject] = []
    room = MOST_SESSIONS
    for subject in subjects:
        ids = subject.session_ids
        for start in range(0, max(1, len(ids)), MOST_SESSIONS):
            part = Subject(subject.user_id, ids[start : start + MOST_SESSIONS])
            if some and len(part.session_ids) + 1 > room:
                yield tuple(some)
                some, room = [], MOST_SESSIONS
            some.append(part)
            room -= len(part.session_ids) + 1
    if some:
        yield tuple(some)

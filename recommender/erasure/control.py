"""The control event of an erasure: it stands in the event log, in order with the events of shoppers.

It is none of the public kinds: the API refuses it like any unknown kind, and no schema tells of it. Only the
installation itself can make one, as it carries a proof by the installation's secret. It names nobody, since no log
forgets single entries at once: who is meant stands in a file of the data folder until the erasure is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from recommender.erasure.secret import Secret
from recommender.eventlog import SHOPPER, LogRecord, Partition
from recommender.installation import Installation, write_atomically
from recommender.settings import Settings

_MARK = b'{"liveshelf_control":'

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


class _Event(msgspec.Struct):
    batch_id: str
    step: Step


class _Envelope(msgspec.Struct):
    liveshelf_control: msgspec.Raw
    proof: str


def is_control(payload: bytes) -> bool:
    """Tell whether an entry of the event log says that it is a control event."""
    return payload.startswith(_MARK)


class Controls:
    """Makes and reads the control events of an installation."""

    def __init__(self, settings: Settings) -> None:
        installation = Installation(settings.data_dir)
        self._secret = Secret(installation.secret_path)
        self._dir = installation.erasing_dir

    def write(self, batch_id: str, subjects: Sequence[Subject]) -> None:
        """Write down who is meant by the control events of a batch."""
        write_atomically(self._place(batch_id), msgspec.json.encode(subjects), mode=0o600)

    def forget(self, batch_id: str) -> None:
        """Name them no more; control events of the batch mean nobody from now on."""
        self._place(batch_id).unlink(missing_ok=True)

    def records(self, batch_id: str, step: Step, partitions: Iterable[Partition]) -> list[LogRecord]:
        """Return the control events that have to be appended: the same one to each partition of shopper events."""
        body = msgspec.json.encode(_Event(batch_id, step))
        payload = msgspec.json.encode(_Envelope(msgspec.Raw(body), self._secret.proof(body)))
        return [
            LogRecord(SHOPPER, "", payload, partition.number) for partition in partitions if partition.topic == SHOPPER
        ]

    def read(self, payload: bytes) -> EraseControl:
        """Read an entry of the event log for which ``is_control`` holds; without subjects if its erasure is over.

        Raises:
            FalseControl: it is damaged, or this installation has not made it.
        """
        try:
            envelope = msgspec.json.decode(payload, type=_Envelope)
            body = bytes(envelope.liveshelf_control)
            if self._secret.has_proved(body, envelope.proof):
                event = msgspec.json.decode(body, type=_Event)
                return EraseControl(event.batch_id, event.step, self._subjects(event.batch_id))
        except msgspec.DecodeError:
            pass
        raise FalseControl("control: must be made by this installation, whose proof it carries")

    def _subjects(self, batch_id: str) -> tuple[Subject, ...]:
        try:
            return msgspec.json.decode(self._place(batch_id).read_bytes(), type=tuple[Subject, ...])
        except FileNotFoundError:
            return ()

    def _place(self, batch_id: str) -> Path:
        return self._dir / f"{batch_id}.json"

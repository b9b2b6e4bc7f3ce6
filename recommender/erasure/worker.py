"""Does erasures, a batch at a time. Each phase is noted as it begins; one that was broken off is done again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

import redis

from recommender.changes import ERASED, ChangePublisher
from recommender.deadletters import RedisDeadLetters
from recommender.erasure.append_only import rewrite_append_only
from recommender.erasure.audit import AuditLog
from recommender.erasure.book import Batch, ErasureBook, Phase
from recommender.erasure.control import Controls, FalseControl, Step
from recommender.erasure.files import clean_files
from recommender.erasure.held import (
    Sessions,
    count_in_history,
    find_in_log,
    meet_in_history,
    meet_in_log,
    shopper_partitions,
)
from recommender.erasure.secret import Secret
from recommender.erasure.traces import clean_notices, clean_slates, letters_of
from recommender.eventlog import EventLog, LogEntry
from recommender.history.erasing import Persons
from recommender.installation import Installation, chosen_event_log
from recommender.learning.record import read_record
from recommender.model.forgetting import forget_shoppers
from recommender.settings import Settings

MOST = 100
"""Users erased together [count]."""
MOST_ROUNDS = 3
"""Times that the stream is asked, while new events of the users come in."""
SETTLE_S = 3.0
"""How long whoever holds copies in memory, and slates that are being made, have to heed the notice."""
_LOOK_EVERY_S = 0.1
_ALIVE_S = 60.0
_LEARNER_LIMIT_S = 600.0
_FEATURES, _LEARNER = "features", "learner"
_IN_KAFKA = "event log: Kafka removes no single events; those of the user stay until the retention of the topic is over"

_GOES_ON = "history: holds events that came while the user was being erased; erase the user again once none come"
_NOT_LEARNED = "learner: has not come to the erasure in ten minutes and may know the user until it is started again"
_DAMAGED = "model {}: is damaged and may name the user; remove it with `liveshelf models prune`"

_log = logging.getLogger(__name__)


class Eraser:
    """The worker; blocking. Any number of them may run: one at a time does the work.

    Args:
        settings: the installation's.
        client: its Redis.
        log: its event log.
        rest: waits so many seconds, or raises to end the work.
    """

    def __init__(
        self, settings: Settings, client: redis.Redis, log: EventLog, rest: Callable[[float], None] = time.sleep
    ) -> None:
        installation = self._installation = Installation(settings.data_dir)
        self._redis, self._log, self._rest, self._settings = client, log, rest, settings
        self._book = ErasureBook(client)
        self._controls = Controls(settings)
        self._audit = AuditLog(installation.audit_path, Secret(installation.secret_path))
        self._phases: dict[Phase, Callable[[Batch], Phase | None]] = {
            "find": self._find,
            "drop": self._drop,
            "sweep": self._sweep,
            "clean": self._clean,
            "tell": self._tell,
        }

    def work(self) -> bool:
        """Do what there is to do; return False where there is nothing, or another one does it."""
        if not self._book.lock():
            return False
        try:
            batch = self._book.batch(MOST)
            if batch is not None:
                self._do(batch)
            closing = self._book.closing()
            if closing:
                self._book.complete(closing, self._rewrite_append_only())
            return batch is not None or bool(closing)
        finally:
            self._book.unlock()

    def _do(self, batch: Batch) -> None:
        phase: Phase | None = batch.phase
        while phase is not None:
            batch.phase = phase
            self._book.save(batch)
            phase = self._phases[phase](batch)
        for request in batch.requests:
            self._audit.note(
                "erasure_completed",
                request.user_id,
                key_id=request.key_id,
                erasure_id=request.erasure_id,
                counts=batch.counts.get(request.user_id, {}),
            )
        self._controls.forget(batch.batch_id)
        self._book.forget(batch)
        _log.info("erasures: %d done", len(batch.requests))

    def _find(self, batch: Batch) -> Phase:
        """Find the users' sessions, and count what there is of each user."""
        sessions = self._sessions(batch)
        meet_in_history(self._installation.history_dir, sessions, self._breathe)
        meet_in_log(self._log, sessions, self._breathe)
        self._know(batch, sessions)
        batch.counts = {}
        found = count_in_history(self._installation.history_dir, sessions, self._breathe)
        for user_id in sorted(sessions.users):
            batch.count(user_id, "sessions", len(sessions.of[user_id]) - 1)
            for table, count in found.get(user_id, {}).items():
                batch.count(user_id, f"history_{table}", count)
        return "drop"

    def _drop(self, batch: Batch) -> Phase:
        """Have the stream and the learner forget the users. Until that is done they may have met them again."""
        self._send(batch, "drop")
        sessions = self._sessions(batch)
        meet_in_log(self._log, sessions, self._breathe)  # the last ones that the stream may have met
        self._know(batch, sessions)
        return "sweep"

    def _sweep(self, batch: Batch) -> Phase:
        """Have the stream sweep its files, now that it never goes back to what they held."""
        self._send(batch, "sweep")
        left = count_in_history(self._installation.history_dir, self._sessions(batch), self._breathe)
        if left and batch.round < MOST_ROUNDS:
            batch.round += 1
            return "drop"
        if left:
            batch.remarks = list({*batch.remarks, _GOES_ON})
        return "clean"

    def _clean(self, batch: Batch) -> Phase:
        """Remove what the stream does not hold."""
        persons = self._persons(batch)
        owner = {session: user for user, sessions in batch.sessions.items() for session in sessions}
        self._clean_log(batch, persons, owner)
        letters = RedisDeadLetters(self._redis)
        found = list(letters_of(letters, persons))
        for name, _ in found:
            batch.count(owner.get(name, name), "dead_letters", 1)
        letters.purge([letter.letter_id for _, letter in found])
        for user_id, hidden in clean_slates(self._redis, persons).items():
            batch.count(user_id, "hidden_items", hidden)
        clean_files(self._installation, persons)
        models = forget_shoppers(self._installation.models_dir, persons.users)
        for user_id, count in models.counts.items():
            batch.count(user_id, "model_versions", count)
        batch.remarks += [_DAMAGED.format(version) for version in models.damaged]
        return "tell"

    def _tell(self, batch: Batch) -> None:
        """Tell all who hold copies, and remove what was kept anew while they heard of it."""
        persons = self._persons(batch)
        ChangePublisher(self._redis).publish(ERASED, sorted(persons.users | persons.sessions))
        self._wait(SETTLE_S)
        clean_slates(self._redis, persons)
        clean_notices(self._redis, persons)

    def _clean_log(self, batch: Batch, persons: Persons, owner: dict[str, str]) -> None:
        """Remove from the event log what stands before the last control event."""
        for found in find_in_log(self._log, persons, self._breathe):
            last_us = max((entry.ingested_us for entry in found.controls if self._is_of(batch, entry)), default=0)
            before = [(name, entry) for name, entry in found.entries if entry.ingested_us <= last_us]
            if before and not self._log.remove(found.partition, [entry.position for _, entry in before]):
                batch.remarks = list({*batch.remarks, _IN_KAFKA})
                continue
            for name, _ in before:
                batch.count(owner.get(name, name), "log_entries", 1)

    def _is_of(self, batch: Batch, entry: LogEntry) -> bool:
        try:
            return self._controls.read(entry.payload).batch_id == batch.batch_id
        except FalseControl:
            return False

    def _send(self, batch: Batch, step: Step) -> None:
        """Put control events into the event log, and wait until all who read it are behind them."""
        partitions = shopper_partitions(self._log)
        self._controls.write(batch.batch_id, batch.subjects())
        self._log.append(self._controls.records(batch.batch_id, step, partitions))
        until = self._log.ends()
        while self._log.lag(_FEATURES, until):
            self._wait(_LOOK_EVERY_S)
        give_up_at = time.monotonic() + _LEARNER_LIMIT_S
        while self._log.lag(_LEARNER, until) and self._is_learning():
            if time.monotonic() > give_up_at:
                batch.remarks = list({*batch.remarks, _NOT_LEARNED})
                return
            self._wait(_LOOK_EVERY_S)

    def _rewrite_append_only(self) -> str:
        """Have each Redis write its append-only file anew; return what is to be remarked."""
        elsewhere = chosen_event_log(self._settings) or ""
        if not elsewhere.startswith(("redis://", "rediss://", "unix://")):
            return rewrite_append_only(self._redis, self._breathe)
        with redis.Redis.from_url(elsewhere) as other:
            remarks = [rewrite_append_only(client, self._breathe) for client in (self._redis, other)]
        return "; ".join(filter(None, dict.fromkeys(remarks)))

    def _is_learning(self) -> bool:
        """Tell whether a learner works, as far as its record tells; one that starts later reads what is clean."""
        record = read_record(self._installation.learning_path)
        if record is None or record.phase != "learning" or not record.updated_at:
            return False
        return (datetime.now(UTC) - datetime.fromisoformat(record.updated_at)).total_seconds() < _ALIVE_S

    def _sessions(self, batch: Batch) -> Sessions:
        sessions = Sessions(frozenset(request.user_id for request in batch.requests))
        for user_id, known in batch.sessions.items():
            sessions.of[user_id].update(known)
        return sessions

    def _know(self, batch: Batch, sessions: Sessions) -> None:
        batch.sessions = {user_id: sorted(found) for user_id, found in sessions.of.items()}

    def _persons(self, batch: Batch) -> Persons:
        return self._sessions(batch).persons()

    def _wait(self, seconds: float) -> None:
        self._rest(seconds)
        self._book.lock()

    def _breathe(self) -> None:
        self._wait(0.0)

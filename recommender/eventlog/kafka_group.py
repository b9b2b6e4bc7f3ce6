"""How far a consumer has come, as the committed offsets of a Kafka consumer group that has no members."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from recommender.eventlog.kafka_client import KafkaConnection
from recommender.eventlog.port import LogUnavailable

Place = tuple[str, int]
"""Topic and partition."""
_POLL_S = 0.02


class GroupOffsets:
    """The committed offsets of one group."""

    def __init__(self, connection: KafkaConnection, group: str) -> None:
        self._connection = connection
        self._lock = threading.RLock()
        self._commits = 0
        self._wanted: dict[Place, tuple[int, int]] = {}
        """The latest commit of each place: its number and its offset."""
        self._sent: dict[Place, int] = {}
        """Number of the commit that is on its way."""
        self._confirmed: dict[Place, int] = {}
        self._failure: KafkaError | None = None
        self._consumer = Consumer(
            connection.config(**{"group.id": group, "enable.auto.commit": False, "on_commit": self._note_answer})
        )

    def commit(self, place: Place, offset: int) -> None:
        """Commit an offset without waiting for the answer; a refusal is told by the next call.

        Raises:
            LogUnavailable: an earlier commit was refused; this one is on its way.
        """
        with self._lock:
            if self._wanted.get(place, (0, -1))[1] != offset:
                self._commits += 1
                self._wanted[place] = (self._commits, offset)
            self._consumer.poll(0)
            self._send(place)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise self._connection.unavailable("has not noted progress", failure)

    def committed(self, places: Sequence[Place]) -> dict[Place, int]:
        """Return the committed offsets; places without one are left out."""
        self._settle()
        asked = [TopicPartition(*place) for place in places]
        with self._lock:
            found = self._connection.ask(lambda: self._consumer.committed(asked, timeout=self._connection.timeout_s))
        for place in found:
            if place.error is not None:
                raise self._connection.unavailable("does not answer", place.error)
        return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}

    def close(self) -> None:
        """Wait a while for what is on its way, and free the connection."""
        with contextlib.suppress(LogUnavailable):  # progress is noted again by whoever goes on
            self._settle()
        self._consumer.close()

    def _settle(self) -> None:
        """Wait until what was committed here until now is confirmed; others may go on committing."""
        deadline = time.monotonic() + self._connection.timeout_s
        with self._lock:
            goal = {place: number for place, (number, _) in self._wanted.items()}
        while True:
            with self._lock:
                for place in goal:
                    self._send(place)
                if all(self._confirmed.get(place, 0) >= number for place, number in goal.items()):
                    self._failure = None
                    return
                self._consumer.poll(0)
                failure = self._failure
            if time.monotonic() > deadline:
                raise self._connection.unavailable("has not noted progress", failure)
            time.sleep(_POLL_S)

    def _send(self, place: Place) -> None:
        number, offset = self._wanted[place]
        if place in self._sent or self._confirmed.get(place) == number:
            return
        try:
            self._consumer.commit(offsets=[TopicPartition(*place, offset)], asynchronous=True)
            self._sent[place] = number
        except KafkaException as error:
            self._failure = error.args[0]

    def _note_answer(self, error: KafkaError | None, places: Sequence[TopicPartition]) -> None:
        for answered in places:
            place = answered.topic, answered.partition
            sent = self._sent.pop(place, None)
            refused = error or answered.error
            if refused is not None:
                self._failure = refused
            elif sent is not None:
                self._confirmed[place] = sent

"""Reading one partition of a Kafka topic from a given offset on, without a consumer group."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from recommender.eventlog.kafka_client import KafkaConnection
from recommender.eventlog.kafka_sender import HEADERS, SCHEMA_HEADER
from recommender.eventlog.port import SCHEMA_VERSION, LogEntry, LogPositionLost

_NOWHERE = -1
_WAIT_S = 0.1
_LOST = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}

_log = logging.getLogger(__name__)


class PartitionReader:
    """Reads a partition in order. What the cluster sends ahead waits here, within 4 MB."""

    def __init__(self, connection: KafkaConnection, topic: str, number: int) -> None:
        self._connection = connection
        self._topic, self._number = topic, number
        self._consumer = Consumer(self._config())
        self._next = _NOWHERE
        """Offset at which the consumer goes on."""
        self._last = _NOWHERE
        """Offset of the last entry that it gave out."""
        self._is_at_oldest = False
        self._known_end = 0
        self._is_cut_off = False

    @property
    def passed(self) -> int:
        """Offset before which nothing is left to read, as far as this reader has come."""
        return max(0, self._next)

    def passed_with(self, last: int) -> int:
        """Offset before which nothing is left to read for someone whose last entry stands at an offset."""
        return self._next if last == self._last else last + 1

    def note_end(self, end: int) -> None:
        """Take note that there are entries up to this offset."""
        self._known_end = max(self._known_end, end)

    def read(self, start: int | None, most: int) -> list[LogEntry]:
        """Return up to ``most`` entries from an offset on (None: from the oldest).

        It does not wait for new entries, but for those which it knows to be there, within the settings' time.

        Raises:
            LogPositionLost: Kafka does not have the entries from that offset on.
            LogUnavailable: Kafka does not answer.
        """
        stands = self._is_at_oldest if start is None else start == self._next
        if self._next == _NOWHERE or not stands:
            self._go_to(start)
        entries = self._take(most, 0.0)
        deadline = time.monotonic() + self._connection.timeout_s
        while not entries and self.passed < self._known_end:
            if time.monotonic() > deadline:
                raise self._connection.unavailable(f"does not send what {self._topic} holds")
            entries = self._take(most, _WAIT_S)
        if self._is_cut_off and not entries:
            self._is_cut_off = False
            raise self._connection.unavailable("does not answer")
        return entries

    def close(self) -> None:
        """Free the connection."""
        self._consumer.close()

    def _take(self, most: int, timeout_s: float) -> list[LogEntry]:
        entries = []
        messages: list[Any] = self._consumer.consume(most, timeout_s)
        for message in messages:
            error = message.error()
            if error is None:
                headers = message.headers()
                problem = "" if headers is None or headers == HEADERS else _problem(headers)
                ingested_us = message.timestamp()[1] * 1_000
                entries.append(LogEntry(str(message.offset()), ingested_us, message.value() or b"", problem))
            elif error.code() == KafkaError._PARTITION_EOF:
                # Behind the last entry there may be marks of transactions, which nobody gets to see.
                self._is_at_oldest = self._is_at_oldest and message.offset() <= self.passed
                self._next = max(self.passed, message.offset())
            else:
                self._next = _NOWHERE
                raise self._explained(error)
        if entries:
            self._last = int(entries[-1].position)
            self._next = max(self._next, self._last + 1)
            self._is_at_oldest = self._is_cut_off = False
        return entries

    def _go_to(self, start: int | None) -> None:
        place = TopicPartition(self._topic, self._number)
        oldest, end = self._connection.ask(
            lambda: self._consumer.get_watermark_offsets(place, timeout=self._connection.timeout_s)
        )
        if start is not None and not oldest <= start <= end:
            lost = self._lost(start, f"it holds {oldest} to {end - 1}" if end > oldest else "it is empty")
            if not self._connection.accept_lost_events:
                raise lost
            _log.warning("%s; going on at %d as LIVESHELF_ACCEPT_LOST_EVENTS says", lost, oldest)
            start = None
        place.offset = OFFSET_BEGINNING if start is None else start
        self._consumer.assign([place])
        self._next, self._known_end = (oldest if start is None else start), end
        self._is_at_oldest = start is None

    def _explained(self, error: KafkaError) -> Exception:
        if error.code() in _LOST and not self._connection.accept_lost_events:
            return self._lost(None, error.name())
        return self._connection.unavailable("does not let entries be read", error)

    def _lost(self, start: int | None, found: str) -> LogPositionLost:
        where = "the next offset" if start is None else f"offset {start}"
        return LogPositionLost(
            f"event log: {self._topic}[{self._number}] no longer has {where} ({found}): events expired before they "
            "were read, or the topic was made anew; set LIVESHELF_ACCEPT_LOST_EVENTS=true to go on at the oldest one "
            "there is, and keep more by the topic's retention.ms"
        )

    def _note_failure(self, error: KafkaError) -> None:
        self._is_cut_off = self._is_cut_off or error.code() == KafkaError._ALL_BROKERS_DOWN
        self._connection.note_failure(error)

    def _config(self) -> dict[str, Any]:
        return self._connection.config(
            **{
                "error_cb": self._note_failure,
                "group.id": self._connection.group("reader"),  # asked for by the client; nothing is stored under it
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "queued.max.messages.kbytes": 4_096,
                "fetch.queue.backoff.ms": 20,
                "fetch.error.backoff.ms": 100,
                "check.crcs": True,
            }
        )


def _problem(headers: Sequence[tuple[str, bytes | None]]) -> str:
    versions = [value for name, value in headers if name == SCHEMA_HEADER]
    if all((SCHEMA_HEADER, version) in HEADERS for version in versions):
        return ""
    return f"header {SCHEMA_HEADER}: must be {SCHEMA_VERSION}, or be left out; got {versions[-1]!r:.40}"

"""Sending records to Kafka: what counts is what the cluster has confirmed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from recommender.eventlog.kafka_client import LARGEST_RECORD_BYTES, KafkaConnection
from recommender.eventlog.port import SCHEMA_VERSION, LogRecord, LogUnavailable

SCHEMA_HEADER = "liveshelf-schema"
HEADERS: list[tuple[str, str | bytes | None]] = [(SCHEMA_HEADER, str(SCHEMA_VERSION).encode())]
_POLL_S = 0.25

_log = logging.getLogger(__name__)


class Delivery:
    """What becomes of records that were sent together.

    Args:
        count: how many there are.
        settle: called once, in the thread that hears the cluster's answers, when the last record is settled.
    """

    def __init__(self, count: int, settle: Callable[[Delivery], None]) -> None:
        self.error: KafkaError | None = None
        """Why at least one record was not confirmed."""
        self.ends: dict[tuple[str, int], int] = {}
        """Offset behind the last confirmed record of each (topic, partition)."""
        self._open = count
        self._settle = settle

    def report(self, error: KafkaError | None, message: Any) -> None:
        """Take the cluster's answer to one record."""
        if error is not None:
            self.error = error
        else:
            place = message.topic(), message.partition()
            self.ends[place] = max(self.ends.get(place, 0), message.offset() + 1)
        self.settle(1)

    def settle(self, count: int) -> None:
        """Take note that so many records have their answer."""
        self._open -= count
        if self._open == 0:
            self._settle(self)


class Sender:
    """An idempotent producer, and a thread that hears the cluster's answers."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def send(self, records: Sequence[LogRecord], settle: Callable[[Delivery], None]) -> None:
        """Send records; ``settle`` is told, from another thread, when all have been confirmed or given up.

        Raises:
            LogUnavailable: they cannot even be queued; some of them may be sent all the same.
        """
        delivery = Delivery(len(records), settle)
        producer = self._started()
        topic = self._connection.topic
        for sent, record in enumerate(records):
            try:
                producer.produce(
                    topic(record.topic),
                    record.payload,
                    record.key,
                    -1 if record.partition is None else record.partition,
                    on_delivery=delivery.report,
                    headers=HEADERS,
                )
            except BufferError as error:
                delivery.settle(sent - len(records))  # never reaches zero: the caller is told here
                raise LogUnavailable("event log: too many events wait for Kafka") from error
            except KafkaException as error:
                delivery.settle(sent - len(records))
                self._replace_if_fatal(producer, error.args[0])
                raise self._connection.unavailable("does not take events", error) from error

    def failure(self, error: KafkaError) -> LogUnavailable:
        """Return what to raise for records that were not confirmed."""
        if (producer := self._producer) is not None:
            self._replace_if_fatal(producer, error)
        return self._connection.unavailable("has not confirmed all events", error)

    def close(self) -> None:
        """Wait a while for what is still on its way, and end."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        if self._producer is not None:
            self._producer.flush(self._connection.timeout_s)
        self._producer = self._thread = None

    def _started(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(self._config())
            if self._thread is None:
                self._closed.clear()
                self._thread = threading.Thread(target=self._hear, name="kafka-answers", daemon=True)
                self._thread.start()
            return self._producer

    def _hear(self) -> None:
        while not self._closed.is_set():
            producer = self._producer
            if producer is None:
                self._closed.wait(_POLL_S)
            else:
                producer.poll(_POLL_S)

    def _replace_if_fatal(self, producer: Producer, error: KafkaError) -> None:
        if not (error.fatal() or error.code() == KafkaError._FATAL):
            return
        with self._lock:
            if self._producer is producer:
                _log.warning("event log: the producer has ended (%s); a new one takes its place", error.name())
                self._producer = None

    def _config(self) -> dict[str, Any]:
        return self._connection.config(
            **{
                "acks": "all",
                "enable.idempotence": True,
                "delivery.timeout.ms": int(self._connection.timeout_s * 1_000),
                "partitioner": "murmur2_random",  # the one of Java's clients, so that most senders agree on it
                "linger.ms": 1,
                "compression.type": "lz4",
                "message.max.bytes": LARGEST_RECORD_BYTES,
                "queue.buffering.max.messages": 100_000,
                "queue.buffering.max.kbytes": 65_536,
            }
        )

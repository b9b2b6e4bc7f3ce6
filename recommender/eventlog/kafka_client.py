"""What all clients of one Kafka cluster share: its addresses and security, the topics, and what its errors mean."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from recommender.eventlog.port import TOPICS, LogUnavailable, UnsupportedEventLog
from recommender.settings import Settings

SCHEME = "kafka://"
LARGEST_RECORD_BYTES = 2 * 1_048_576
_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_QUIET = 0
_PAUSE_S = 0.05
_FRESH_S = 60.0
"""For so long, what a client has told may be the cause of what fails."""
_MOVING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
}
"""What brokers say while topics are new or move."""

_SAFE = {
    "cleanup.policy": "delete",
    # Limits on the times of events are told from this one, which is therefore not the sender's to choose.
    "message.timestamp.type": "LogAppendTime",
}
"""Settings of topics by which no event is lost or misjudged."""

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)


class KafkaConnection:
    """The cluster that the settings name, and the topics of the event log there.

    Nothing is asked of the cluster before it is needed.
    """

    def __init__(self, settings: Settings) -> None:
        self.timeout_s = settings.kafka_timeout_seconds
        self.accept_lost_events = settings.accept_lost_events
        self._prefix = settings.kafka_topic_prefix
        self._wanted_partitions = settings.partitions
        self._retention_ms = int(settings.retention_hours * 3_600_000)
        self._clients_config = _clients_config(settings)
        self._failure, self._failed_at = "", 0.0
        self._admin: AdminClient | None = None
        self._partitions: dict[str, int] = {}
        self._lock = threading.Lock()

    def config(self, **more: Any) -> dict[str, Any]:
        """Return the configuration of a client; it may hold a password, so it is not for printing."""
        return self._clients_config | {"error_cb": self.note_failure} | more

    def topic(self, name: str) -> str:
        """Return what a topic of the event log is called in Kafka."""
        return f"{self._prefix}{name}"

    def group(self, consumer: str) -> str:
        """Return the consumer group whose committed offsets tell how far a consumer has come."""
        return f"{self._prefix}{consumer}"

    @property
    def admin(self) -> AdminClient:
        """The client for questions about the cluster."""
        with self._lock:
            if self._admin is None:
                self._admin = AdminClient(self.config())
            return self._admin

    def ensure_topics(self) -> None:
        """Make the topics where they are missing; after the first time this costs nothing.

        Raises:
            LogUnavailable: the cluster does not answer, or refuses.
        """
        if not self._partitions:
            self.partitions()

    def partitions(self) -> dict[str, int]:
        """Return how many partitions each topic of the event log has; topics that are missing are made.

        Raises:
            LogUnavailable: the cluster does not answer, or refuses.
        """
        found = self._found_topics()
        if missing := [name for name in TOPICS if name not in found]:
            self._make(missing)
            found = self._wait_for_topics()
        elif not self._partitions:
            self._warn_of_settings()
        self._partitions = found
        return dict(found)

    def topic_ids(self) -> dict[str, str]:
        """Return the id that Kafka gave to each topic of the event log when it was made.

        Raises:
            LogUnavailable: the cluster does not answer, or refuses.
        """
        self.ensure_topics()
        names = {self.topic(name): name for name in TOPICS}

        def ask() -> dict[str, str]:
            described = self.admin.describe_topics(TopicCollection(list(names)), request_timeout=self.timeout_s)
            return {names[topic]: str(answer.result().topic_id) for topic, answer in described.items()}

        return self.ask(ask)

    def ping(self) -> None:
        """Return once the cluster has answered and holds the topics, each partition with a leader.

        Raises:
            LogUnavailable: it does not.
        """
        self.ensure_topics()
        found = self._found_topics()
        if lacking := [self.topic(name) for name in TOPICS if name not in found]:
            raise LogUnavailable(f"event log: Kafka has no leader for all partitions of {', '.join(lacking)}")

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Ask the cluster; once more while partitions move to another broker.

        Raises:
            LogUnavailable: it does not answer.
        """
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                return question()
            except KafkaException as error:
                if error.args[0].code() not in _MOVING or time.monotonic() > deadline:
                    raise self.unavailable("does not answer", error) from error
                time.sleep(_PAUSE_S)

    def unavailable(self, what: str, error: KafkaException | KafkaError | None = None) -> LogUnavailable:
        """Return the error that tells what Kafka does not do, and why as far as that is known."""
        if self._admin is not None:
            self._admin.poll(0)  # lets the admin client tell what it met
        cause = error.args[0] if isinstance(error, KafkaException) else error
        reasons = [cause.name()] if isinstance(cause, KafkaError) else []
        if self._failure and time.monotonic() - self._failed_at < _FRESH_S:
            reasons.append(self._failure)
        return LogUnavailable(f"event log: Kafka {what}" + (f" ({'; '.join(reasons)})" if reasons else ""))

    def note_failure(self, error: KafkaError) -> None:
        """Take note of what a client tells of itself."""
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            return  # says less than the errors of which it is made
        if error.str() != self._failure:
            _log.info("event log: Kafka: %s", error.str())
        self._failure, self._failed_at = error.str(), time.monotonic()

    def _found_topics(self) -> dict[str, int]:
        # Of all topics, since a question about one of them can make it.
        topics = self.ask(lambda: self.admin.list_topics(timeout=self.timeout_s)).topics
        found = {}
        for name in TOPICS:
            topic = topics.get(self.topic(name))
            if topic is not None and topic.partitions and all(p.leader >= 0 for p in topic.partitions.values()):
                found[name] = len(topic.partitions)
        return found

    def _warn_of_settings(self) -> None:
        """Tell what is risky in the settings of topics that somebody else has made."""
        resources = [ConfigResource(ConfigResource.Type.TOPIC, self.topic(name)) for name in TOPICS]
        for resource, answer in self.admin.describe_configs(resources, request_timeout=self.timeout_s).items():
            try:
                settings = {name: entry.value for name, entry in answer.result().items()}
            except KafkaException:  # describing may not be allowed, and nothing depends on it
                continue
            for name, wanted in _SAFE.items():
                if settings.get(name, wanted) != wanted:
                    _log.warning(
                        "event log: topic %s: %s should be %s; got %s (docs/kafka.md says what it can cost)",
                        resource.name,
                        name,
                        wanted,
                        settings[name],
                    )

    def _make(self, names: list[str]) -> None:
        config = {
            **_SAFE,
            "retention.ms": str(self._retention_ms),
            "max.message.bytes": str(LARGEST_RECORD_BYTES),
        }
        topics = [NewTopic(self.topic(name), self._wanted_partitions, -1, config=config) for name in names]
        for topic, made in self.admin.create_topics(topics, request_timeout=self.timeout_s).items():
            try:
                made.result()
                _log.info("event log: made topic %s with %d partitions", topic, self._wanted_partitions)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise self.unavailable(f"refuses to make topic {topic}", error) from error

    def _wait_for_topics(self) -> dict[str, int]:
        deadline = time.monotonic() + self.timeout_s
        while True:
            found = self._found_topics()
            if len(found) == len(TOPICS):
                return found
            if time.monotonic() > deadline:
                raise self.unavailable("has no leader for all partitions of the topics")
            time.sleep(_PAUSE_S)


def _clients_config(settings: Settings) -> dict[str, Any]:
    password = settings.kafka_sasl_password
    given = {
        "bootstrap.servers": ",".join(addresses(settings.event_log or "")),
        "security.protocol": settings.kafka_security_protocol,
        "sasl.mechanism": settings.kafka_sasl_mechanism if "SASL" in settings.kafka_security_protocol else None,
        "sasl.username": settings.kafka_sasl_username,
        "sasl.password": password.get_secret_value() if password is not None else None,
        "ssl.ca.location": str(settings.kafka_ca_file) if settings.kafka_ca_file else None,
        "ssl.certificate.location": str(settings.kafka_cert_file) if settings.kafka_cert_file else None,
        "ssl.key.location": str(settings.kafka_key_file) if settings.kafka_key_file else None,
        "client.id": "liveshelf",
        "log_level": _QUIET,  # what goes wrong is told by `error_cb`
        "socket.connection.setup.timeout.ms": max(1_000, int(settings.kafka_timeout_seconds * 1_000)),
        "reconnect.backoff.max.ms": 1_000,
    }
    return {name: value for name, value in given.items() if value is not None}


def addresses(url: str) -> list[str]:
    """Return the brokers that ``kafka://HOST:PORT[,HOST:PORT...]`` names.

    Raises:
        UnsupportedEventLog: it is no such address; it is not repeated, since it may hold a password.
    """
    found = url.removeprefix(SCHEME).rstrip("/").split(",")
    if "@" in url:
        raise UnsupportedEventLog(
            "LIVESHELF_EVENT_LOG: must hold no password; a user of Kafka is set by LIVESHELF_KAFKA_SASL_USERNAME and "
            "LIVESHELF_KAFKA_SASL_PASSWORD"
        )
    if not url.startswith(SCHEME) or not all(_ADDRESS.fullmatch(address) for address in found):
        raise UnsupportedEventLog(f"LIVESHELF_EVENT_LOG: must be kafka://HOST:PORT[,HOST:PORT...]; got {url}")
    return found

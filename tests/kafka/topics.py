"""What tests do to a Kafka cluster as its administrators."""

from __future__ import annotations

from typing import Any

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

_TIMEOUT_S = 30.0


def admin(url: str) -> Any:
    """Return a client for the cluster at ``kafka://HOST:PORT``."""
    return AdminClient({"bootstrap.servers": url.removeprefix("kafka://"), "log_level": 0})


def drop_topics(url: str, prefix: str) -> None:
    """Drop the topics whose names begin so."""
    client = admin(url)
    names = [name for name in client.list_topics(timeout=_TIMEOUT_S).topics if name.startswith(prefix)]
    if names:
        for dropped in client.delete_topics(names, operation_timeout=_TIMEOUT_S).values():
            dropped.result(_TIMEOUT_S)


def expire(url: str, topic: str, partition: int, until: int) -> None:
    """Let the entries before an offset expire, as Kafka's retention does in its own time."""
    client = admin(url)  # kept, since its answers come only while it lives
    asked = [TopicPartition(topic, partition, until)]
    for expired in client.delete_records(asked, operation_timeout=_TIMEOUT_S).values():
        expired.result(_TIMEOUT_S)

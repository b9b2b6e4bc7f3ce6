"""The event log: a port, and its adapters. An adapter's client library is imported only when it is opened."""

from __future__ import annotations

from recommender.eventlog.port import (
    CATALOGUE,
    SHOPPER,
    TOPICS,
    EventAppender,
    EventLog,
    LogEntry,
    LogPositionLost,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
    UnsupportedEventLog,
    record_of,
)
from recommender.installation import resolve_event_log
from recommender.settings import Settings

KAFKA = "kafka://"
"""How the address of an event log on Kafka begins."""
_REDIS = ("redis://", "rediss://", "unix://")


def open_event_log(settings: Settings) -> EventLog:
    """Open the event log that the settings name, blocking.

    Raises:
        UnsupportedEventLog: its address has no adapter.
    """
    url = _address(settings)
    if url.startswith(KAFKA):
        from recommender.eventlog.kafka import KafkaEventLog

        return KafkaEventLog(settings.model_copy(update={"event_log": url}))
    from recommender.eventlog.redis_streams import RedisEventLog

    return RedisEventLog(url, settings.partitions)


def open_event_appender(settings: Settings) -> EventAppender:
    """Open the appending side of the event log that the settings name, for asyncio.

    Raises:
        UnsupportedEventLog: its address has no adapter.
    """
    url = _address(settings)
    if url.startswith(KAFKA):
        from recommender.eventlog.kafka import KafkaEventAppender

        return KafkaEventAppender(settings.model_copy(update={"event_log": url}))
    from recommender.eventlog.redis_streams import RedisEventAppender

    return RedisEventAppender(url, settings.partitions)


def uses_kafka(settings: Settings) -> bool:
    """Tell whether the settings name a log on Kafka."""
    return _address(settings).startswith(KAFKA)


def _address(settings: Settings) -> str:
    url = resolve_event_log(settings)
    if not url.startswith((*_REDIS, KAFKA)):
        scheme = url.partition("://")[0] + "://" if "://" in url else "no scheme"
        raise UnsupportedEventLog(f"LIVESHELF_EVENT_LOG: must begin with redis:// or kafka://; got {scheme}")
    return url


__all__ = [
    "CATALOGUE",
    "KAFKA",
    "SHOPPER",
    "TOPICS",
    "EventAppender",
    "EventLog",
    "LogEntry",
    "LogPositionLost",
    "LogRecord",
    "LogUnavailable",
    "Partition",
    "Progress",
    "UnsupportedEventLog",
    "open_event_appender",
    "open_event_log",
    "record_of",
    "uses_kafka",
]

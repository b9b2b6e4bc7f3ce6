"""The event log: a port, and its adapters."""

from __future__ import annotations

from recommender.eventlog.port import (
    CATALOGUE,
    SHOPPER,
    TOPICS,
    EventAppender,
    EventLog,
    LogEntry,
    LogRecord,
    LogUnavailable,
    Partition,
    Progress,
    partition_of,
    record_of,
)
from recommender.eventlog.redis_streams import RedisEventAppender, RedisEventLog
from recommender.installation import resolve_redis_url
from recommender.settings import Settings


class UnsupportedEventLog(ValueError):
    """No adapter exists for the address of the event log."""


def open_event_log(settings: Settings) -> EventLog:
    """Open the event log that the settings name, blocking."""
    return RedisEventLog(_redis_url(settings), settings.partitions)


def open_event_appender(settings: Settings) -> EventAppender:
    """Open the appending side of the event log that the settings name, for asyncio."""
    return RedisEventAppender(_redis_url(settings), settings.partitions)


def _redis_url(settings: Settings) -> str:
    url = settings.event_log or resolve_redis_url(settings)
    if not url.startswith(("redis://", "rediss://", "unix://")):
        scheme = url.partition("://")[0]
        raise UnsupportedEventLog(
            f"LIVESHELF_EVENT_LOG: must begin with redis://; got {scheme}:// (this version has no adapter for it)"
        )
    return url


__all__ = [
    "CATALOGUE",
    "SHOPPER",
    "TOPICS",
    "EventAppender",
    "EventLog",
    "LogEntry",
    "LogRecord",
    "LogUnavailable",
    "Partition",
    "Progress",
    "RedisEventAppender",
    "RedisEventLog",
    "UnsupportedEventLog",
    "open_event_appender",
    "open_event_log",
    "partition_of",
    "record_of",
]

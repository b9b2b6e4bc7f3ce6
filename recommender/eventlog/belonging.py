"""Which event log a data folder belongs to: its progress is worth nothing with another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from recommender.eventlog.port import Partition
from recommender.installation import Installation, chosen_event_log, write_json
from recommender.settings import Settings


class OtherEventLog(RuntimeError):
    """The data folder has read another event log so far."""


class ReadLog(msgspec.Struct):
    """The event log that a data folder has read."""

    kind: str
    """``redis`` or ``kafka``; where it is may change."""
    prefix: str
    partitions: list[str]
    identity: str = ""
    """What the log calls itself; see `EventLog.identity`."""


def require_same_log(settings: Settings, partitions: Sequence[Partition], identity: str) -> None:
    """Compare the event log with the one that the data folder has read so far, and write it down.

    Partitions may be added: they are read from their beginning. None may be missing.

    Raises:
        OtherEventLog: it is not the same, was made anew, or has lost partitions.
    """
    path = Installation(settings.data_dir).event_log_path
    is_kafka = (chosen_event_log(settings) or "").startswith("kafka://")
    names = sorted(partition.name for partition in partitions)
    now = ReadLog("kafka" if is_kafka else "redis", settings.kafka_topic_prefix if is_kafka else "", names, identity)
    before = _read(path)
    if before is not None:
        _compare(before, now, path)
    if now != before:
        write_json(path, msgspec.to_builtins(now))


def _read(path: Path) -> ReadLog | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=ReadLog)
    except FileNotFoundError:
        return None


def _compare(before: ReadLog, now: ReadLog, path: Path) -> None:
    if before.kind != now.kind:
        raise OtherEventLog(
            f"LIVESHELF_EVENT_LOG: {path.parent} has read its events from {before.kind} so far, and its progress "
            f"counts there; got an event log on {now.kind}. Go on with {before.kind}, or begin with a new data folder"
        )
    if before.prefix != now.prefix:
        raise OtherEventLog(
            f"LIVESHELF_KAFKA_TOPIC_PREFIX: {path.parent} has read topics {before.prefix}* so far, and its progress "
            f"counts there; got {now.prefix}. Set it back, or begin with a new data folder"
        )
    if before.identity and before.identity != now.identity:
        raise OtherEventLog(
            f"event log: {path.parent} has read topics that were deleted since; those of the same names were made "
            "anew, and its offsets would skip events there. Begin with a new data folder"
        )
    if gone := sorted(set(before.partitions) - set(now.partitions)):
        what = "LIVESHELF_PARTITIONS" if now.kind == "redis" else "event log"
        raise OtherEventLog(
            f"{what}: {path.parent} has read {len(before.partitions)} partitions so far, and none may be dropped while "
            f"events may wait in it; got {len(now.partitions)}, without {', '.join(gone)}"
        )

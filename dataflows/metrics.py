"""What the feature flow counts and measures, for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("liveshelf_stream_events_total", "Events read from the event log and valid", ["kind"])
DUPLICATES = Counter("liveshelf_stream_duplicates_total", "Shopper events dropped since their event_id had come before")
LATE = Counter("liveshelf_stream_late_total", "Shopper events beyond the allowed lateness: kept in history alone")
DEAD_LETTERS = Counter("liveshelf_stream_dead_letters_total", "Events read from the event log that broke a rule")
DEAD_LETTERS_KEPT = Gauge("liveshelf_stream_dead_letters_kept", "Dead letters in Redis, those of the API too")
DEAD_LETTERS_BYTES = Gauge("liveshelf_stream_dead_letters_bytes", "Size of the dead letters in Redis")
DEAD_LETTERS_DROPPED = Counter(
    "liveshelf_stream_dead_letters_dropped_total", "Dead letters that went for newer ones, beyond 50,000 or 64 MiB"
)
BEHIND_SECONDS = Gauge(
    "liveshelf_stream_behind_seconds",
    "How long the event read last had waited in the event log; 0 at the log's end",
    ["partition"],
)
STATE_KEYS = Gauge("liveshelf_stream_state_keys", "Keys whose state a step holds", ["step"])
STATE_BYTES = Gauge("liveshelf_stream_state_bytes", "Size of the states and their keys in memory, encoded", ["step"])
FORGOTTEN = Counter("liveshelf_stream_forgotten_total", "Keys whose state was dropped as idle", ["step"])
SNAPSHOT_SECONDS = Histogram(
    "liveshelf_stream_snapshot_seconds",
    "Time to save what one shard of a step has touched",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
WAITING_ROWS = Gauge("liveshelf_stream_waiting_rows", "Rows and dead letters in the batch being written")
ROWS = Counter("liveshelf_stream_rows_total", "Feature rows written to the feature store", ["view"])
WRITE_SECONDS = Histogram(
    "liveshelf_stream_write_seconds",
    "Time to write one batch of rows to the feature store",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)

"""The history as a sink of the feature flow."""

from __future__ import annotations

from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition

from dataflows.effects import Effects
from recommender.history import HistoryWriter
from recommender.installation import Installation
from recommender.settings import Settings


class _HistoryPartition(StatefulSinkPartition):
    def __init__(self, writer: HistoryWriter) -> None:
        self._writer = writer

    def write_batch(self, values: list[Effects]) -> None:
        for effects in values:
            for row in effects.rows:
                self._writer.add_row(row)
            for event in effects.events:
                self._writer.add_event(event)
            for control in effects.erasures:
                self._writer.erase(control)

    def snapshot(self) -> int:
        return self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class HistorySink(FixedPartitionedSink):
    """Writes every row and every shopper event to the history, each exactly once."""

    def __init__(self, settings: Settings) -> None:
        self._dir = Installation(settings.data_dir).history_dir

    def list_parts(self) -> list[str]:
        """Return the one writer's name."""
        return ["0"]

    def build_part(self, step_id: str, for_part: str, resume_state: int | None) -> _HistoryPartition:
        """Open the writer behind the last part that a committed snapshot has covered."""
        return _HistoryPartition(HistoryWriter(self._dir, for_part, resume_state or 0))

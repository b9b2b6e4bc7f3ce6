"""An installation's log and registry with learners that come and go, for tests of the learner."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import orjson

from recommender.eventlog import SHOPPER, EventLog, LogRecord
from recommender.events import utc_from_us
from recommender.features.interaction import Interaction
from recommender.installation import Installation
from recommender.learning.learner import Learner
from recommender.model.artifact import Model
from recommender.model.registry import ModelRegistry
from recommender.settings import Settings
from tests.learning import blank_model


class Clock:
    """A time that passes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Shop:
    """An installation's log and registry, and learners that come and go."""

    def __init__(self, settings: Settings, log: EventLog) -> None:
        self.settings = settings
        self.log = log
        self.registry = ModelRegistry(Installation(settings.data_dir).models_dir)
        self.clock = Clock()

    def train(self, model: Model | None = None, at: timedelta = timedelta(), **manifest: object) -> str:
        """Put a full version into service, made so long after now."""
        model = model or blank_model()
        for name, value in manifest.items():
            setattr(model.manifest, name, value)
        version = self.registry.save(model, datetime.now(UTC) + at)
        self.registry.activate(version)
        return version

    def send(self, events: Iterable[Interaction]) -> int:
        records = [record(event) for event in events]
        self.log.append(records)
        return len(records)

    def learner(self, **changed: object) -> Learner:
        """A new process, as it were."""
        settings = self.settings.model_copy(update={"learn_cpu_ratio": 1.0, "learn_rate": 0.1, **changed})
        return Learner(settings, self.log, rest=lambda _seconds: None, now=self.clock)

    def read_all(self, learner: Learner) -> None:
        """Let the learner read all there is; the log may hand it out in pieces, with pauses between."""
        learner.step()
        while learner.step() == 0.0 or self._is_behind(learner):
            self.clock.seconds += 0.6

    def _is_behind(self, learner: Learner) -> bool:
        run = learner._run
        return run is not None and run.reader.entries < sum(self.log.ends().values())

    @property
    def current(self) -> str:
        version = self.registry.current_version()
        assert version is not None
        return version


def record(event: Interaction) -> LogRecord:
    fields = {
        "kind": event.kind,
        "event_id": event.event_id,
        "event_time": utc_from_us(event.time_us).isoformat(),
        "session_id": event.session_id,
        "item_id": event.item_id,
    }
    if event.user_id:
        fields["user_id"] = event.user_id
    return LogRecord(SHOPPER, event.user_id or event.session_id, orjson.dumps(fields))

"""The learner: follows the event log and the registry, and publishes what it has learned."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from recommender.erasure.control import Controls, EraseControl, FalseControl, is_control
from recommender.eventlog import EventLog, LogEntry, LogUnavailable
from recommender.events import AnyCatalogueEvent, InvalidEvent
from recommender.features.interaction import Interaction, digest, read_interaction
from recommender.folder_lock import FolderInUse
from recommender.installation import Installation
from recommender.learning import metrics
from recommender.learning.examples import ExampleMaker, Observed, shopper_number
from recommender.learning.growing import Diverged, FitParameters
from recommender.learning.online import NotLearnable, OnlineModel
from recommender.learning.pace import CpuShare, ShopperShare
from recommender.learning.progressive import Verdict
from recommender.learning.reader import LogReader
from recommender.learning.record import LearningRecord, Phase, read_record, write_record
from recommender.learning.versions import KEPT_ONLINE, Lineage, load_lineage, online_version
from recommender.model.artifact import DamagedModel, Model
from recommender.model.forgetting import feature_of
from recommender.model.registry import ModelRegistry, OtherModelCurrent
from recommender.settings import Settings

TAIL = 50_000
"""Entries before the beginning that are read for the states of shoppers alone, in each topic [count]."""
LEAST_RATE_RATIO = 1 / 32
"""Beyond so many halvings by fallbacks learning stops until the next full training."""
EPOCHS = 3
"""Times that each batch is gone through."""
_POLL_S = 0.2
_LOOK_EVERY_S = 0.5
_NOTE_EVERY_S = 10.0
_BYTES_PER_S = 2_000_000
"""Written to disk on average, at most: large versions come less often."""

_log = logging.getLogger(__name__)


class Stopped(Exception):
    """The learner is asked to end."""


class _Run:
    """One beginning: a lineage, and all that has come of it."""

    def __init__(self, lineage: Lineage, learning: OnlineModel, maker: ExampleMaker, reader: LogReader) -> None:
        self.lineage = lineage
        self.learning = learning
        self.maker = maker
        self.reader = reader
        self.learn_from_us = 0
        """Examples before this event time were trained on already, if they came before the training was over."""
        self.trained_us = 0
        """When that was [us since 1970 UTC]."""
        self.waiting: list[Observed] = []
        self.waiting_since = 0.0
        self.published_examples = 0
        self.latest_us = 0
        self.seconds = 0.0


class Learner:
    """Learns from the event log, a step at a time.

    Args:
        settings: the installation's.
        log: its event log.
        rest: waits so many seconds, or raises `Stopped`.
        now: tells a time that only rises [s].
    """

    def __init__(
        self,
        settings: Settings,
        log: EventLog,
        rest: Callable[[float], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        installation = Installation(settings.data_dir)
        self._settings, self._log, self._rest, self._now = settings, log, rest, now
        self._path = installation.learning_path
        self._controls = Controls(settings)
        self._registry = ModelRegistry(installation.models_dir)
        self.record = read_record(self._path) or LearningRecord()
        self._run: _Run | None = None
        self._followed: str | None = None
        self._refused: object = None
        """The signs of the version followed, if it cannot be learned on."""
        self._looked_at = self._published_at = self._noted_at = -1e9
        self._written_bytes = 0
        self._saved_at = datetime.min.replace(tzinfo=UTC)
        self._cpu = CpuShare(settings.learn_cpu_ratio)
        self._shoppers = ShopperShare(settings.learn_behind_seconds, now)

    def run(self) -> None:
        """Work until `Stopped` is raised by the rest."""
        while True:
            try:
                idle_s = self.step()
            except LogUnavailable as error:
                _log.warning("%s; trying again", error)
                idle_s = 1.0
            self._rest(max(idle_s, self._cpu.rest_s()))

    def step(self) -> float:
        """Do some work; return how long there is nothing to do, as far as it is known [s].

        Raises:
            LogUnavailable: the event log does not answer.
        """
        now = self._now()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            self._follow()
        run = self._run
        if run is None:
            return _LOOK_EVERY_S
        entries = run.reader.read()
        for entry in entries:
            if self._run is not None:  # a fallback begins anew
                self._take(self._run, entry)
        self._note_behind(entries)
        if self._run is not None and self._is_due(self._run):
            self._learn(self._run)
        if now - self._published_at >= max(self._settings.learn_publish_seconds, self._written_bytes / _BYTES_PER_S):
            self._published_at = now
            self.publish()
        if now - self._noted_at >= _NOTE_EVERY_S:
            self._noted_at = now
            run.reader.commit()
            self._note()
        return 0.0 if entries else _POLL_S

    def publish(self) -> str | None:
        """Learn what waits and make it current as a new version; return its name, or None where there is nothing."""
        run = self._run
        if run is None:
            return None
        self._learn(run)
        if self._run is not run or run.learning.examples == run.published_examples:
            return None
        if run.learning.progressive.judge() is Verdict.DOUBTFUL:
            metrics.WITHHELD.inc()
            _log.warning("learning: not published, as it may be worse than %s", run.lineage.parent.version)
            return None
        with metrics.PUBLISH_SECONDS.time():
            return self._publish(run)

    def _follow(self) -> None:
        """Begin with the current version, unless it is this learner's own."""
        current = self._registry.current_version()
        refused = self._refused
        if current == self._followed and (current is None or not refused or refused == self._registry.signs(current)):
            return
        self._followed, self._run, self._refused = current, None, None
        if current is None:
            return
        signs = self._registry.signs(current)
        try:
            lineage = load_lineage(self._registry, current)
            self._begin(lineage)
        except (DamagedModel, NotLearnable) as error:
            _log.warning("%s; learning waits for another version", error)
            self._refused = signs
            self._set_phase("waiting")

    def _begin(self, lineage: Lineage) -> None:
        start, parent = lineage
        record = self.record
        if record.parent not in {parent.version, start.manifest.parent or parent.version}:  # the latter may be damaged
            record = LearningRecord(parent=parent.version)
            positions = start.manifest.log_position
        elif record.version >= start.version:
            positions = record.log_position  # what was fallen back or rolled back from is not learned again
        else:
            positions = start.manifest.log_position  # killed after the activation, before that was written down
        record.version, record.log_position = start.version, positions
        record.examples = lineage.learned
        self.record = record
        if record.rate_ratio < LEAST_RATE_RATIO:
            self._set_phase("stopped")
            return
        learning = OnlineModel(start, parent, self._parameters())
        maker = ExampleMaker(self._settings.learn_shoppers, learning)
        run = _Run(lineage, learning, maker, LogReader(self._log, positions, TAIL))
        if not positions and start.manifest.data_to:
            run.learn_from_us = _us(start.manifest.data_to) + 1
            run.trained_us = _us(start.manifest.created_at) + 1_000_000  # which is written in whole seconds
        for number, entry in enumerate(run.reader.before(TAIL), 1):
            event = _event(entry)
            if event is not None:
                maker.take(event, wanted=False)
            elif is_control(entry.payload) and (control := self._control(entry)) is not None:
                self._forget(run, control)
            if number % 1_000 == 0:
                self._rest(self._cpu.rest_s())
        self._run = run
        self._published_at = self._now()
        _log.info("learning: goes on from %s, parent %s", start.version, parent.version)
        self._set_phase("learning")

    def _forget(self, run: _Run, control: EraseControl) -> None:
        """Forget users at the place in the log where their erasure stands."""
        self._noted_at = -1e9  # whoever erases waits to hear of it
        users, sessions = control.users, control.sessions
        run.maker.forget(users, sessions)
        features = {feature_of(user_id) for user_id in users}
        run.learning.forget(features)
        numbers = {digest(session_id) for session_id in sessions}
        run.waiting = [
            observed
            for observed in run.waiting
            if features.isdisjoint(observed.example.state) and observed.session not in numbers
        ]

    def _take(self, run: _Run, entry: LogEntry) -> None:
        if is_control(entry.payload):
            control = self._control(entry)
            if control is not None:
                self._forget(run, control)
            return
        event = _event(entry)
        if event is None:
            return
        metrics.EVENTS.inc()
        if isinstance(event, Interaction) and not self._shoppers.takes(shopper_number(event)):
            metrics.SKIPPED.inc()
            self.record.skipped_events += 1
            return
        observed = run.maker.take(event)
        if observed is not None and (observed.time_us >= run.learn_from_us or entry.ingested_us >= run.trained_us):
            if not run.waiting:
                run.waiting_since = self._now()
            run.waiting.append(observed)
            if len(run.waiting) >= self._settings.learn_batch_events:
                self._learn(run)

    def _control(self, entry: LogEntry) -> EraseControl | None:
        try:
            return self._controls.read(entry.payload)
        except FalseControl:
            return None

    def _is_due(self, run: _Run) -> bool:
        return bool(run.waiting) and self._now() - run.waiting_since >= self._settings.learn_batch_seconds

    def _learn(self, run: _Run) -> None:
        """Test and train on what waits; fall back where that shows harm."""
        batch, run.waiting = run.waiting, []
        if not batch or self._run is not run:
            return
        began = time.perf_counter()
        try:
            with metrics.BATCH_SECONDS.time():
                learned = run.learning.learn(batch)
        except Diverged as error:
            _log.error("%s", error)
            self._fall_back(run, "diverged")
            return
        finally:
            run.seconds += time.perf_counter() - began
        run.latest_us = max(run.latest_us, max(observed.time_us for observed in batch))
        metrics.EXAMPLES.inc(learned.examples)
        if run.learning.progressive.judge() is Verdict.WORSE:
            self._fall_back(run, "worse")

    def _publish(self, run: _Run) -> str | None:
        positions = run.reader.positions
        model = online_version(run.learning, run.lineage, positions, run.latest_us, run.seconds)
        # Names sort by their seconds, and of two versions the later one has to be known.
        self._saved_at = max(datetime.now(UTC), self._saved_at + timedelta(seconds=1))
        try:
            version = self._registry.save(model, self._saved_at)
        except OSError as error:
            _log.error("learning: a version must be written; %s", error)
            return None
        try:
            self._registry.activate(version, reason="learned online", instead_of=self._followed)
        except DamagedModel as error:
            _log.error("%s", error)
            self._fall_back(run, "diverged")
            return None
        except (OtherModelCurrent, FolderInUse) as error:
            _log.warning("%s; %s is not made current", error, version)
            return None
        self._followed = version
        run.published_examples = run.learning.examples
        self._written_bytes = self._registry.size_bytes(version)
        metrics.VERSIONS.inc()
        try:
            self._registry.prune_online(KEPT_ONLINE)
        except FolderInUse as error:
            _log.warning("%s; old online versions stay for now", error)
        self.record.version, self.record.log_position = version, positions
        run.reader.commit()
        self._note()
        return version

    def _fall_back(self, run: _Run, reason: str) -> None:
        """Make the parent current again and learn on from it, more slowly; what was read is not learned again."""
        parent, record = run.lineage.parent, self.record
        own, others = run.learning.progressive.figures()
        _log.error(
            "learning: %s; falls back to %s (progressive MRR@20 %.4f against %.4f)",
            reason,
            parent.version,
            own.mrr,
            others.mrr,
        )
        metrics.FALLBACKS.labels(reason).inc()
        if self._followed != parent.version:
            why = f"learning fell back: {reason}"
            try:
                self._registry.activate(parent.version, reason=why, instead_of=self._followed)
            except DamagedModel as error:  # there is nothing to fall back to, and going on would do harm
                _log.error("%s", error)
                record.fallbacks += 1
                record.rate_ratio, self._run = 0.0, None
                self._set_phase("stopped")
                return
            except (OtherModelCurrent, FolderInUse) as error:
                _log.error("%s; learning begins anew with what is current", error)
                self._followed = self._run = None
                return
            self._followed = parent.version
        record.fallbacks += 1
        record.rate_ratio /= 2
        record.version, record.log_position, record.examples = parent.version, run.reader.positions, 0
        if record.rate_ratio < LEAST_RATE_RATIO:
            self._run = None
            self._set_phase("stopped")
            return
        self._run = self._restarted(run, parent)
        self._note()

    def _restarted(self, run: _Run, parent: Model) -> _Run:
        learning = OnlineModel(parent, parent, self._parameters())
        run.maker.tell(learning)
        return _Run(Lineage(parent, parent), learning, run.maker, run.reader)

    def _parameters(self) -> FitParameters:
        return FitParameters(learning_rate=self._settings.learn_rate * self.record.rate_ratio, epochs=EPOCHS)

    def _note_behind(self, entries: list[LogEntry]) -> None:
        behind_s = max(0.0, time.time() - entries[-1].ingested_us / 1e6) if entries else 0.0
        self._shoppers.note(behind_s)
        self.record.behind_seconds = round(behind_s, 1)
        metrics.BEHIND_SECONDS.set(behind_s)
        metrics.SHOPPERS_RATIO.set(self._shoppers.ratio)

    def _set_phase(self, phase: Phase) -> None:
        if phase == "stopped":
            _log.error("learning: stops until the next full training, after %d fallbacks", self.record.fallbacks)
        self._write(phase)

    def _note(self) -> None:
        """Tell how far it has come."""
        run, record = self._run, self.record
        if run is None:
            return
        growing = run.learning.growing
        own, parent = run.learning.progressive.figures()
        record.examples = run.lineage.learned + run.learning.examples
        record.tested = run.learning.progressive.tested
        record.shopper_features, record.item_features = growing.shoppers.awake, growing.items.awake
        record.hit_rate, record.mrr = round(own.hit_rate, 5), round(own.mrr, 5)
        record.parent_hit_rate, record.parent_mrr = round(parent.hit_rate, 5), round(parent.mrr, 5)
        for model, figures in (("learning", own), ("parent", parent)):
            metrics.HIT_RATE.labels(model).set(figures.hit_rate)
            metrics.MRR.labels(model).set(figures.mrr)
        metrics.FEATURES.labels("shoppers").set(growing.shoppers.awake)
        metrics.FEATURES.labels("items").set(growing.items.awake)
        self._write("learning")

    def _write(self, phase: Phase) -> None:
        metrics.LEARNING.set(phase == "learning")
        self.record.phase = phase
        self.record.updated_at = datetime.now(UTC).isoformat(timespec="seconds")
        write_record(self._path, msgspec.structs.replace(self.record))


def _us(moment: str) -> int:
    return int(datetime.fromisoformat(moment).timestamp() * 1_000_000)


def _event(entry: LogEntry) -> Interaction | AnyCatalogueEvent | None:
    if entry.problem:
        return None
    try:
        return read_interaction(entry.payload, entry.ingested_us)
    except InvalidEvent:
        return None

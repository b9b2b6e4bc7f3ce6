"""From a source of training to a version in the registry, which becomes current if it is good enough."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from recommender.features.memory import ItemRows
from recommender.model.artifact import DamagedModel, Model
from recommender.model.registry import ModelRegistry
from recommender.training.dataset import TrainingSource
from recommender.training.evaluation import Ranks
from recommender.training.gate import LEAST_SHARED, Asked, Figures, Verdict, judge
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import Progress, train_model
from recommender.training.questions import TEST_LENGTH, Question, ranks, table_of

FEWER_ITEMS = 0.8
"""Share of the current version's items, below which a new version is remarked on."""


class Outcome(NamedTuple):
    """A version that is kept, and whether it was made current."""

    model: Model
    verdict: Verdict


def train_version(
    source: TrainingSource,
    registry: ModelRegistry,
    parameters: TrainingParameters,
    progress: Progress,
    *,
    force: bool = False,
    git_revision: str | None = None,
) -> Outcome:
    """Train, keep the outcome as a new version, and make it current unless the gate refuses it.

    Args:
        source: what to learn from.
        registry: where versions are kept.
        parameters: how to train.
        progress: is told of the stages.
        force: make it current whatever the gate says.
        git_revision: of the source code, for the manifest.

    Raises:
        TooLittleHistory: the history is too small.
    """
    current = _current(registry)
    rivalry = _Rivalry(current)
    model = train_model(source, parameters, progress, git_revision=git_revision, on_test=rivalry.note)
    version = registry.save(model, datetime.now(UTC))
    before = None if current is None else _figures(current)
    verdict = judge(_figures(model), before, rivalry.asked, margin=parameters.margin, seed=parameters.seed)
    if current is None and registry.current_version() is not None:
        verdict = Verdict(True, "the version before it cannot be served")
    verdict = verdict._replace(reason=verdict.reason + _on_items(model, current))
    if force and not verdict.activate:
        verdict = Verdict(True, f"it was forced, although {verdict.reason}")
    if verdict.activate:
        registry.activate(version, reason=verdict.reason)
    return Outcome(model, verdict)


def _figures(model: Model) -> Figures:
    return Figures(model.manifest.metrics, model.manifest.tested)


def _on_items(model: Model, current: Model | None) -> str:
    """Return a remark where a version knows far fewer items than the one before: after a narrow ``--since``, say."""
    known, before = len(model.item_ids), 0 if current is None else len(current.item_ids)
    return f"; it knows {known:,} items, the one before {before:,}" if known < FEWER_ITEMS * before else ""


class _Rivalry:
    """Asks the current version what the new one is asked, as far as it was not trained on the answers.

    The new one answers with sources that are as old as its validation part, the current one whole as it serves.
    """

    def __init__(self, current: Model | None) -> None:
        self._current = current
        self.asked: Asked | None = None

    def note(self, items: list[ItemRows], questions: list[Question], places: Ranks) -> None:
        """Take the questions, and where the new version had the answers."""
        if self._current is None:
            return
        known_us = round(datetime.fromisoformat(self._current.manifest.data_to).timestamp() * 1e6)
        later = [number for number, question in enumerate(questions) if question.now_us > known_us]
        if len(later) < LEAST_SHARED:
            return
        table = table_of(items, self._current)
        theirs = ranks(table, [questions[number] for number in later], TEST_LENGTH)
        self.asked = Asked(places[later], theirs)


def _current(registry: ModelRegistry) -> Model | None:
    """Return the current version; None where there is none that could be served."""
    try:
        return registry.load_current()
    except DamagedModel:
        return None

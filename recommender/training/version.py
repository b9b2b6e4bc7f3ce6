"""From a source of training to a version in the registry, which becomes current if it is good enough."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from recommender.model.artifact import Model
from recommender.model.registry import ModelRegistry
from recommender.training.dataset import TrainingSource
from recommender.training.gate import Verdict, judge
from recommender.training.parameters import TrainingParameters
from recommender.training.pipeline import Progress, train_model


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
    model = train_model(source, parameters, progress, git_revision=git_revision)
    version = registry.save(model, datetime.now(UTC))
    verdict = judge(model.manifest.metrics, _current_figures(registry), margin=parameters.margin, seed=parameters.seed)
    if force and not verdict.activate:
        verdict = Verdict(True, f"it was forced, although {verdict.reason}")
    if verdict.activate:
        registry.activate(version, reason=verdict.reason)
    return Outcome(model, verdict)


def _current_figures(registry: ModelRegistry) -> dict[str, float] | None:
    """Return the figures of the current version; None where there is none that could be served."""
    version = registry.current_version()
    if version is None or version not in registry.versions() or registry.damage(version) is not None:
        return None
    return registry.manifest(version).metrics

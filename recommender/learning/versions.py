"""Versions of the registry as learning reads and writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from recommender.events import utc_from_us
from recommender.learning.growing import FitParameters
from recommender.learning.online import NotLearnable, OnlineModel
from recommender.learning.progressive import Figures
from recommender.model.artifact import DamagedModel, Model, read_content, read_gradients
from recommender.model.manifest import PROGRESSIVE, Manifest
from recommender.model.registry import ModelRegistry

KEPT_ONLINE = 3
"""Online versions that are kept, so that there is something to roll back to [count]."""


class Lineage(NamedTuple):
    """Where learning begins, and what it falls back to."""

    start: Model
    parent: Model
    """A full version; the start itself, where that is one or where its parent is gone."""

    @property
    def learned(self) -> int:
        """Examples that the start has learned since its parent [count]."""
        return self.start.manifest.examples - self.parent.manifest.examples


def load_lineage(registry: ModelRegistry, version: str) -> Lineage:
    """Load a version with what learning needs, and its parent.

    Raises:
        DamagedModel: the version cannot be read.
        NotLearnable: it was kept without what learning needs.
    """
    start = load_learnable(registry, version)
    if start.manifest.kind == "full":
        return Lineage(start, start)
    try:
        return Lineage(start, load_learnable(registry, start.manifest.parent))
    except (DamagedModel, NotLearnable):
        return Lineage(start, start)


def load_learnable(registry: ModelRegistry, version: str) -> Model:
    """Load a version with what learning needs.

    Raises:
        DamagedModel: it cannot be read.
        NotLearnable: it was kept without.
    """
    model = registry.load(version)
    folder = registry.folder(version)
    model.gradients, model.content = read_gradients(folder), read_content(folder)
    if model.gradients is None or model.content is None:
        raise NotLearnable(f"model {version}: must be kept with its gradients and content to learn on")
    return model


def online_version(
    learning: OnlineModel, lineage: Lineage, positions: dict[str, str], latest_us: int, seconds: float
) -> Model:
    """Return what has been learned as a model for the registry.

    Args:
        learning: what has learned.
        lineage: where it began.
        positions: up to where in the event log.
        latest_us: event time of the latest example [us since 1970 UTC]; 0 for none.
        seconds: time spent on learning since the start [s].
    """
    model = learning.model()
    own, parent = learning.progressive.figures()
    before = lineage.start.manifest
    examples = before.examples + learning.examples
    users = sum(feature.startswith("user=") for feature in model.shopper_features)
    data_to = datetime.fromisoformat(before.data_to) if before.data_to else datetime.min.replace(tzinfo=UTC)
    if latest_us:
        data_to = max(data_to, utc_from_us(latest_us))
    model.manifest = msgspec.structs.replace(
        before,
        version="",
        kind="online",
        parent=lineage.parent.version,
        log_position=positions,
        data_to=data_to.isoformat(),
        events=before.events + learning.examples,
        examples=examples,
        users=max(before.users, users),
        items=len(model.item_ids),
        features=len(model.shopper_features) + len(model.item_features),
        seconds=round(seconds, 1),
        # Those of the full training stay, for the next one to be compared with.
        metrics=before.metrics | _figures(own),
        baselines=before.baselines | {"parent": _figures(parent)},
        parameters=_parameters(before, learning.parameters),
    )
    return model


def _figures(figures: Figures) -> dict[str, float]:
    return {f"{PROGRESSIVE}hit_rate@20": round(figures.hit_rate, 5), f"{PROGRESSIVE}mrr@20": round(figures.mrr, 5)}


def _parameters(before: Manifest, fit: FitParameters) -> dict[str, Any]:
    return before.parameters | {"learning": fit._asdict()}

"""The quality gate: whether a version just trained may take the place of the current one.

Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: percentile intervals of the paired difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from recommender.training.evaluation import Ranks, discounted_gains, reciprocal_gains

MARGIN = 0.05
"""How much worse, relative to the current version, the new one may be."""
LEAST_SHARED = 200
"""Examples that both versions must have been asked, for these to decide."""
LEAST_TESTED = 30
"""Questions that figures must be taken from, to be compared with others."""
_RESAMPLES = 2_000
_CUT = 20
_APART = "each on the test part of its own training"
_GAINS: dict[str, Callable[[Ranks, int], Ranks]] = {"ndcg@20": discounted_gains, "mrr@20": reciprocal_gains}
"""What is compared: figure to what each example brings to it."""


class Asked(NamedTuple):
    """Where two versions ranked what came next, on the same newest examples, which neither was trained on."""

    candidate: Ranks
    current: Ranks


class Figures(NamedTuple):
    """What a version's manifest tells."""

    metrics: Mapping[str, float]
    """Empty where there were none."""
    tested: int
    """Questions that they are taken from."""


class Verdict(NamedTuple):
    """Whether the version becomes current, and why, as a sentence without its subject and full stop."""

    activate: bool
    reason: str


def judge(
    candidate: Figures,
    current: Figures | None,
    asked: Asked | None = None,
    *,
    margin: float = MARGIN,
    seed: int = 1,
) -> Verdict:
    """Decide whether a version becomes current.

    It does not if it is worse by more than the margin, in NDCG or in mean reciprocal rank. Where both versions have
    answered enough examples, these tell, and a loss counts only if it is beyond chance: 97.5 % of the resampled
    differences are below zero. Else the figures that each has on the questions of its own test part tell, if these are
    not too few.

    Args:
        candidate: the figures of the new version.
        current: those of the current version; None without one.
        asked: what both were asked.
        margin: how much worse it may be, relative to the current version.
        seed: of the resampling.
    """
    if current is None:
        return Verdict(True, "there was no version before it")
    if asked is not None and len(asked.candidate) >= LEAST_SHARED:
        return _judge_asked(asked, margin, seed)
    return _judge_apart(candidate, current, margin)


def _judge_apart(candidate: Figures, current: Figures, margin: float) -> Verdict:
    if current.tested < LEAST_TESTED:
        return Verdict(True, f"the version before it was tested on {current.tested} questions, too few to compare")
    if candidate.tested < LEAST_TESTED:
        why = f"it was tested on {candidate.tested} questions, too few to compare with the version before it"
        return Verdict(False, f"{why}; {LEAST_TESTED} are needed")
    named = [name for name in _GAINS if name in candidate.metrics and name in current.metrics]
    told = [_told(name, candidate.metrics[name], current.metrics[name]) for name in named]
    for name, each in zip(named, told, strict=True):
        if candidate.metrics[name] < (1 - margin) * current.metrics[name]:
            return Verdict(False, f"{each}, {_APART}, a loss beyond the margin of {margin:.0%}")
    return Verdict(True, f"{'; '.join(told)}, {_APART}")


def _judge_asked(asked: Asked, margin: float, seed: int) -> Verdict:
    examples = len(asked.candidate)
    draws = np.random.default_rng(seed)
    said: list[str] = []
    for name, gains_of in _GAINS.items():
        gains, current_gains = gains_of(asked.candidate, _CUT), gains_of(asked.current, _CUT)
        said.append(_told(name, gains.mean(), current_gains.mean()))
        if gains.mean() >= (1 - margin) * current_gains.mean():
            continue
        if _upper_end(gains - current_gains, draws) < 0:
            reason = (
                f"{said[-1]} on the {examples} newest examples, a loss beyond chance and the margin of {margin:.0%}"
            )
            return Verdict(False, reason)
        said[-1] += ", which may be chance"
    return Verdict(True, f"{'; '.join(said)} on the {examples} newest examples")


def _upper_end(differences: Ranks, draws: np.random.Generator) -> float:
    """Return the upper end of the 95 % interval of a mean."""
    means = np.empty(_RESAMPLES)
    for resample in range(_RESAMPLES):
        means[resample] = differences[draws.integers(len(differences), size=len(differences))].mean()
    return float(np.quantile(means, 0.975))


def _told(name: str, candidate: float, current: float) -> str:
    return f"{name} {candidate:.4f} against {current:.4f}"

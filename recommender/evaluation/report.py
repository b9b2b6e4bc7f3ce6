"""The figures of all contestants, as one JSON object."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.evaluation import metrics
from recommender.evaluation.bootstrap import Bootstrap, interval
from recommender.evaluation.trials import ALL, Answers, Trials

LIVESHELF = "liveshelf"
_DIGITS = 5

Resampled = dict[tuple[str, str], npt.NDArray[np.float64]]
"""Means of resampled trials, by contestant and metric."""


class Catalogue:
    """The items with events in TRAIN, and how many each."""

    def __init__(self, counts: dict[str, int]) -> None:
        self._counts = counts

    def beyond_accuracy(self, answers: Answers, k: int) -> dict[str, float]:
        """Return coverage, novelty and Gini of what stood at the first ``k`` places."""
        item_ids = list(dict.fromkeys([*self._counts, *answers.exposures]))
        exposures = np.array([int(answers.exposures[i][:k].sum()) if i in answers.exposures else 0 for i in item_ids])
        popularity = np.array([self._counts.get(item_id, 0) for item_id in item_ids])
        return {
            f"coverage@{k}": _rounded(metrics.coverage(exposures)),
            f"novelty@{k}": _rounded(metrics.novelty(exposures, popularity)),
            f"gini@{k}": _rounded(metrics.gini(exposures)),
        }


class Scoreboard:
    """Figures with intervals of several contestants.

    Args:
        trials: what was asked.
        catalogue: what could be recommended.
        ks: lengths of the lists that are looked at.
        seed: of the resampling.
    """

    def __init__(self, trials: Trials, catalogue: Catalogue, ks: list[int], seed: int) -> None:
        self._trials = trials
        self._catalogue = catalogue
        self._ks = ks
        self._seed = seed
        self._figures: dict[tuple[str, str], metrics.Figures] = {}
        self._models: dict[str, dict[str, Any]] = {}

    def add(self, name: str, answers: Answers) -> None:
        """Take the answers of a contestant."""
        figures = metrics.trial_figures(answers.hits, self._trials.target_counts, self._ks)
        if answers.areas is not None:
            figures["auc"] = answers.areas
        self._figures.update({(name, metric): figure for metric, figure in figures.items()})
        self._models[name] = {
            **{
                metric: value for k in self._ks for metric, value in self._catalogue.beyond_accuracy(answers, k).items()
            },
            "fit_seconds": round(answers.fit_seconds, 3),
            "ms_per_query": round(answers.ms_per_query, 4),
        }

    def finish(self) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Return the figures of each contestant; and for each the best one but ours and its variants.

        With the latter stands by how much ours is above it, if ours took part.
        """
        if not self._figures:
            return {}, {}
        counted, resampled = self._slice(self._trials.slices[ALL])
        models = {name: {**counted[name], **rest, "slices": {}} for name, rest in self._models.items()}
        for part, kept in self._trials.slices.items():
            if part != ALL:
                found = self._slice(kept)[0] if kept.any() else {}
                for name, model in models.items():
                    model["slices"][part] = found.get(name, {"queries": 0})
        return models, _best_baselines(models, resampled)

    def _slice(self, kept: npt.NDArray[np.bool_]) -> tuple[dict[str, dict[str, Any]], Resampled]:
        columns = np.stack([figure[kept] for figure in self._figures.values()], axis=1)
        resampled = Bootstrap(_renumbered(self._trials.clusters[kept]), seed=self._seed).means(columns)
        found: dict[str, dict[str, Any]] = {name: {"queries": int(kept.sum())} for name in self._models}
        for number, (name, metric) in enumerate(self._figures):
            mean, low, high = interval(columns[:, number], resampled[:, number])
            found[name] |= {metric: _rounded(mean), f"{metric}_low": _rounded(low), f"{metric}_high": _rounded(high)}
        return found, dict(zip(self._figures, resampled.T, strict=True))


def _best_baselines(models: dict[str, dict[str, Any]], resampled: Resampled) -> dict[str, dict[str, Any]]:
    best: dict[str, dict[str, Any]] = {}
    for metric in dict.fromkeys(metric for _, metric in resampled):
        having = [name for name in models if models[name].get(metric) is not None]
        rivals = [name for name in having if not name.startswith(LIVESHELF)]
        if not rivals:
            continue
        name = max(rivals, key=lambda name: models[name][metric])
        best[metric] = {"model": name, "value": models[name][metric]}
        if LIVESHELF in having:
            differences = resampled[LIVESHELF, metric] - resampled[name, metric]
            low, high = np.nanpercentile(differences, [2.5, 97.5])
            best[metric] |= {
                "difference": _rounded(models[LIVESHELF][metric] - models[name][metric]),
                "difference_low": _rounded(float(low)),
                "difference_high": _rounded(float(high)),
            }
    return best


def _renumbered(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.asarray(np.unique(clusters, return_inverse=True)[1], dtype=np.int64)


def _rounded(figure: float) -> Any:
    return None if math.isnan(figure) else round(figure, _DIGITS)

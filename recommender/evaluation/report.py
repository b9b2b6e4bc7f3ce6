"""The figures of all contestants, as one JSON object."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.evaluation import metrics
from recommender.evaluation.bootstrap import Bootstrap, interval
from recommender.evaluation.trials import Answers, Trials

LIVESHELF = "liveshelf"
_DIGITS = 5
_BEYOND = ("coverage", "novelty", "gini")


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
    """Figures with intervals, one contestant after the other.

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
        self._bootstraps = {
            name: Bootstrap(_renumbered(trials.clusters[kept]), seed=seed)
            for name, kept in trials.slices.items()
            if kept.any()
        }
        self._resampled: dict[str, dict[str, npt.NDArray[np.float64]]] = {}
        self.models: dict[str, dict[str, Any]] = {}

    def add(self, name: str, answers: Answers) -> None:
        """Work out the figures of a contestant."""
        figures = metrics.trial_figures(answers.hits, self._trials.target_counts, self._ks)
        if answers.areas is not None:
            figures["auc"] = answers.areas
        model: dict[str, Any] = {}
        slices: dict[str, Any] = {}
        for part, kept in self._trials.slices.items():
            found: dict[str, Any] = {"queries": int(kept.sum())}
            if kept.any():
                columns = np.stack([figure[kept] for figure in figures.values()], axis=1)
                resampled = self._bootstraps[part].means(columns)
                if not part:
                    self._resampled[name] = dict(zip(figures, resampled.T, strict=True))
                for number, metric in enumerate(figures):
                    found.update(_entries(metric, *interval(columns[:, number], resampled[:, number])))
            if part:
                slices[part] = found
            else:
                model.update(found)
        for k in self._ks:
            model.update(self._catalogue.beyond_accuracy(answers, k))
        model["fit_seconds"] = round(answers.fit_seconds, 3)
        model["ms_per_query"] = round(answers.ms_per_query, 4)
        model["slices"] = slices
        self.models[name] = model

    def best_baseline(self) -> dict[str, dict[str, Any]]:
        """Return for each metric the best contestant but ours and its variants, and by how much ours is above it."""
        best: dict[str, dict[str, Any]] = {}
        names = [name for name in self._resampled if not name.startswith(LIVESHELF)]
        for metric in dict.fromkeys(metric for name in names for metric in self._resampled[name]):
            having = [name for name in names if self.models[name].get(metric) is not None]
            if not having:
                continue
            name = max(having, key=lambda name: self.models[name][metric])
            best[metric] = {"model": name, "value": self.models[name][metric]}
            ours = self._resampled.get(LIVESHELF, {}).get(metric)
            if ours is not None and self.models[LIVESHELF].get(metric) is not None:
                low, high = np.nanpercentile(ours - self._resampled[name][metric], [2.5, 97.5])
                difference = self.models[LIVESHELF][metric] - self.models[name][metric]
                best[metric] |= {
                    "difference": _rounded(difference),
                    "difference_low": _rounded(float(low)),
                    "difference_high": _rounded(float(high)),
                }
        return best


def _renumbered(clusters: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.asarray(np.unique(clusters, return_inverse=True)[1], dtype=np.int64)


def _entries(metric: str, mean: float, low: float, high: float) -> dict[str, float | None]:
    return {metric: _rounded(mean), f"{metric}_low": _rounded(low), f"{metric}_high": _rounded(high)}


def _rounded(figure: float) -> Any:
    return None if math.isnan(figure) else round(figure, _DIGITS)

"""The ranker: one score for a candidate, learned from what the sources say of it and what the features know.

Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NIPS 2017. The trees give the log
odds that a candidate is right; LambdaRank and its kin did no better (docs/model.md). Where questions are few, the mean
of several fits that each leave another part of them out is better than one. They are kept as LightGBM's text, which
holds numbers and no code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from recommender.model.trees import Trees, UnsuitableTrees

Floats = npt.NDArray[np.float32]

_TREE_SIZES = re.compile(r"^tree_sizes=(.*)$", re.MULTILINE)
"""By the sizes LightGBM reads trees in threads, where a damaged one ends the process; without them it is an error."""
_TREE = re.compile(r"^Tree=", re.MULTILINE)
_BEGIN = re.compile(r"^(?=tree$)", re.MULTILINE)
"""Where LightGBM begins to write one fit."""
_END = "\npandas_categorical:null\n"
"""What it ends one with. A text that breaks off earlier may end the process that reads it."""


class BadRanker(ValueError):
    """A text is no ranker, or one for other features."""


class Ranker:
    """Trees that score candidates.

    Args:
        text: ``fits=N``, then what LightGBM wrote of each fit, one after the other.

    Raises:
        BadRanker: it is no such text.
    """

    def __init__(self, text: str) -> None:
        import lightgbm  # takes seconds, and an installation without a model does not need it

        self.text = text
        head, *fits = _BEGIN.split(text)
        if not fits or head != f"fits={len(fits)}\n" or not all(fit.endswith(_END) for fit in fits):
            raise BadRanker(f"ranker: must be whole, as many fits as it names at its beginning; got {text[:20]!r}")
        self._fits: list[Any] = []
        for fit in fits:
            sizes = _TREE_SIZES.search(fit)
            if sizes and len(sizes[1].split()) != len(_TREE.findall(fit)):
                raise BadRanker("ranker: must hold all the trees that it names the sizes of")
            try:
                self._fits.append(lightgbm.Booster(model_str=_TREE_SIZES.sub("", fit, count=1)))
            except (lightgbm.basic.LightGBMError, ValueError, KeyError, IndexError) as error:
                raise BadRanker(f"ranker: must be trees as LightGBM writes them; {error}") from error
        self.features: tuple[str, ...] = tuple(self._fits[0].feature_name())
        if any(tuple(fit.feature_name()) != self.features for fit in self._fits):
            raise BadRanker("ranker: must be of the same features in all its fits")
        self._trees: Trees | None = None
        with suppress(UnsuitableTrees):
            self._trees = Trees(fits)

    def scores(self, candidates: Floats) -> npt.NDArray[np.float64]:
        """Return the chance that each candidate is right, by the mean of the fits' log odds.

        Args:
            candidates: float32 [n, n_features] with columns in the order of ``features``.
        """
        if self._trees is not None:
            log_odds = self._trees.sums(candidates) / len(self._fits)
        else:
            parts = [fit.predict(candidates, num_threads=1, raw_score=True) for fit in self._fits]
            log_odds = np.mean(parts, axis=0)
        found: npt.NDArray[np.float64] = 1.0 / (1.0 + np.exp(-log_odds))
        return found

    def contributions(self, candidates: Floats) -> tuple[npt.NDArray[np.float64], float]:
        """Return what each feature adds to the log odds of each candidate, and what it is added to.

        The parts, [n, n_features], and the base, which is what the trees say on average, add up to the log odds
        (Lundberg's TreeSHAP, the mean over the fits).
        """
        fits = [fit.predict(candidates, num_threads=1, pred_contrib=True) for fit in self._fits]
        found: npt.NDArray[np.float64] = np.mean(fits, axis=0)
        return found[:, :-1], float(found[0, -1])

    def gains(self) -> dict[str, float]:
        """Return each feature's share in what the trees have learned."""
        gains = sum(fit.feature_importance("gain") for fit in self._fits)
        return dict(zip(self.features, (gains / (gains.sum() or 1.0)).tolist(), strict=True))


def fit_ranker(
    features: Sequence[str],
    questions: Sequence[tuple[Floats, Floats]],
    folds: int,
    *,
    seed: int,
    threads: int,
) -> Ranker:
    """Fit trees to the chance that a candidate is right.

    Args:
        features: names of the columns.
        questions: candidates float32 [n, n_features] of each, and which ones are right, 0 or 1, float32 [n].
        folds: parts of the questions; for each one there is a fit to the others, with as many trees as serve that part
            best. With 1 there is one fit to the first three quarters, stopped by the last.
        seed: of the sampling of rows and columns.
        threads: processors to use.
    """
    if folds == 1:
        cut = len(questions) * 3 // 4
        return _ranker([_fit(features, questions[:cut], questions[cut:], 0.05, seed, threads)])
    ends = np.linspace(0, len(questions), folds + 1).astype(int)
    texts = [
        _fit(features, [*questions[:begin], *questions[end:]], questions[begin:end], 0.1, seed + fold, threads)
        for fold, (begin, end) in enumerate(pairwise(ends.tolist()))
    ]
    return _ranker(texts)


def _ranker(fits: Sequence[str]) -> Ranker:
    return Ranker("".join([f"fits={len(fits)}\n", *fits]))


def _fit(
    features: Sequence[str],
    fitted: Sequence[tuple[Floats, Floats]],
    validation: Sequence[tuple[Floats, Floats]],
    learning_rate: float,
    seed: int,
    threads: int,
) -> str:
    import lightgbm

    parameters = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": learning_rate,
        "num_leaves": 15,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 127,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    sets: list[Any] = []
    for part in (fitted, validation):
        sets.append(
            lightgbm.Dataset(
                np.concatenate([candidates for candidates, _ in part]),
                label=np.concatenate([right for _, right in part]),
                feature_name=list(features),
                params=parameters,
                reference=sets[0] if sets else None,
            )
        )
    trees = lightgbm.train(
        parameters,
        sets[0],
        num_boost_round=500,
        valid_sets=[sets[1]],
        callbacks=[lightgbm.early_stopping(30, verbose=False)],
    )
    return str(trees.model_to_string(num_iteration=trees.best_iteration)).removesuffix("\n") + "\n"

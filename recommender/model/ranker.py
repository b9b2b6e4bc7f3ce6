"""The ranker: one score for a candidate, learned from what the sources say of it and what the features know.

Source: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", NIPS 2017. The trees give the log
odds that a candidate is right; LambdaRank and its kin did no better (docs/model.md). They are kept as LightGBM's text,
which holds numbers and no code.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_TREE_SIZES = re.compile(r"^tree_sizes=(.*)$", re.MULTILINE)
"""By the sizes LightGBM reads trees in threads, where a damaged one ends the process; without them it is an error."""
_TREE = re.compile(r"^Tree=", re.MULTILINE)


class BadRanker(ValueError):
    """A text is no ranker, or one for other features."""


class Ranker:
    """Trees that score candidates.

    Args:
        text: what LightGBM wrote.

    Raises:
        BadRanker: it is no such text.
    """

    def __init__(self, text: str) -> None:
        import lightgbm  # takes seconds, and an installation without a model does not need it

        self.text = text
        sizes = _TREE_SIZES.search(text)
        if sizes and len(sizes[1].split()) != len(_TREE.findall(text)):
            raise BadRanker("ranker: must hold all the trees that it names the sizes of")
        try:
            self._trees: Any = lightgbm.Booster(model_str=_TREE_SIZES.sub("", text, count=1))
        except (lightgbm.basic.LightGBMError, ValueError, KeyError, IndexError) as error:
            raise BadRanker(f"ranker: must be trees as LightGBM writes them; {error}") from error
        self.features: tuple[str, ...] = tuple(self._trees.feature_name())

    def scores(self, candidates: Floats) -> npt.NDArray[np.float64]:
        """Score candidates, float32 [n, n_features] with columns in the order of ``features``; higher is better."""
        found: npt.NDArray[np.float64] = self._trees.predict(candidates, num_threads=1)
        return found

    def gains(self) -> dict[str, float]:
        """Return each feature's share in what the trees have learned."""
        gains = self._trees.feature_importance("gain")
        return dict(zip(self.features, (gains / (gains.sum() or 1.0)).tolist(), strict=True))


def fit_ranker(
    features: Sequence[str],
    fitted: tuple[Floats, Floats],
    validation: tuple[Floats, Floats],
    *,
    seed: int,
    threads: int,
) -> Ranker:
    """Fit trees to the chance that a candidate is right, as many as serve the validation part best.

    Args:
        features: names of the columns.
        fitted: candidates float32 [n, n_features], and which ones are right, 0 or 1, float32 [n].
        validation: the same.
        seed: of the sampling of rows and columns.
        threads: processors to use.
    """
    import lightgbm

    parameters = {
        "objective": "binary",
        "metric": "binary_logloss",
        "learning_rate": 0.05,
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
    for candidates, right in (fitted, validation):
        sets.append(
            lightgbm.Dataset(
                candidates,
                label=right,
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
    return Ranker(trees.model_to_string(num_iteration=trees.best_iteration))

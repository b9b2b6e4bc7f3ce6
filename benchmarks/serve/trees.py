"""A ranker as large as a trained one, for a made-up shop."""

from __future__ import annotations

import numpy as np

from recommender.model.ranker import Ranker
from recommender.serving.matrix import FEATURES

TREES = 110
_LEAVES = 15
_ROWS = 20_000
_UNKNOWN = 0.3
"""Share of values that are not known."""


def ranker(seed: int = 0) -> Ranker:
    """Fit trees to made-up candidates: as many, and as deep, as those of a trained ranker."""
    import lightgbm

    rng = np.random.default_rng(seed)
    values = rng.random((_ROWS, len(FEATURES)), np.float32)
    right = (values @ rng.normal(0.0, 1.0, len(FEATURES)) > rng.normal(0.0, 2.0, _ROWS)).astype(np.float32)
    values[rng.random(values.shape) < _UNKNOWN] = np.nan
    parameters = {
        "objective": "binary",
        "num_leaves": _LEAVES,
        "min_data_in_leaf": 30,
        "feature_fraction": 0.6,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(values, label=right, feature_name=list(FEATURES), params=parameters)
    text = str(lightgbm.train(parameters, data, num_boost_round=TREES).model_to_string()).removesuffix("\n")
    return Ranker(f"fits=1\n{text}\n")

"""Chooses the regularisation of the linear model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recommender.model.best import best
from recommender.training.dataset import Targets
from recommender.training.fitting import fit_linear
from recommender.training.parameters import TrainingParameters
from recommender.training.sources import histories_matrix, shopper_numbers

Numbers = npt.NDArray[np.int64]

_ASKED = 1_000
_CUT = 20


def choose_l2(
    targets: Targets, fitted: Numbers, validation: Numbers, n_items: int, parameters: TrainingParameters
) -> float:
    """Return the regularisation with which the next item of the validation part is among the first 20 most often.

    Each of up to 1,000 shoppers with several events is asked for the last item, given the ones before.
    """
    if len(parameters.linear_l2) == 1:
        return parameters.linear_l2[0]
    shoppers = shopper_numbers(targets, np.r_[fitted[-len(validation) :], validation])
    items = targets.items[np.r_[fitted[-len(validation) :], validation]]
    order = np.argsort(shoppers, kind="stable")
    shoppers, items = shoppers[order], items[order]
    ends = np.flatnonzero(np.r_[shoppers[1:] != shoppers[:-1], True])
    begins = np.r_[0, ends[:-1] + 1]
    asked = np.flatnonzero(ends > begins)
    if len(asked) > _ASKED:
        asked = np.random.default_rng(parameters.seed).choice(asked, _ASKED, replace=False)
    histories = histories_matrix(targets, fitted, n_items)
    hits: dict[float, int] = {}
    for l2 in parameters.linear_l2:
        links = fit_linear(histories, l2)
        hits[l2] = 0
        for one in asked.tolist():
            past = np.unique(items[max(begins[one], ends[one] - 50) : ends[one]])
            found, scores = links.from_all(past, np.ones(len(past)))
            hits[l2] += int((found[best(scores, _CUT, found)] == items[ends[one]]).any())
    return max(hits, key=lambda l2: (hits[l2], l2))

"""Which shoppers the ranker is asked about, when, and what would have been right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recommender.training.dataset import TARGET_KINDS, Numbers, Targets
from recommender.training.parameters import TrainingParameters

DAY_US = 86_400_000_000
_PURCHASE = TARGET_KINDS.index("purchase")


class Asked(NamedTuple):
    """When a shopper is asked about, and the items that are right."""

    now_us: int
    answers: frozenset[str]


class Asking:
    """Chooses questions by what the ranker is to foresee."""

    def __init__(self, targets: Targets, parameters: TrainingParameters) -> None:
        self._targets = targets
        self._parameters = parameters

    def about(self, part: Numbers, most: int) -> dict[int, Asked]:
        """Return questions about a part of the events, up to ``most``, in order of time.

        Each is keyed by the number of an event: it is asked of the shopper just before that one.
        """
        if not len(part) or not most:
            return {}
        return self._horizon(part, most) if self._parameters.horizon_days else self._next(part, most)

    def _next(self, part: Numbers, most: int) -> dict[int, Asked]:
        """Ask what comes next: all items of the events that share a state."""
        targets = self._targets
        firsts, places = targets.moments(part)
        chosen = sample(np.arange(len(firsts)), most, self._parameters.seed)
        order = np.argsort(places, kind="stable")
        begins = np.searchsorted(places[order], chosen, side="left")
        ends = np.searchsorted(places[order], chosen, side="right")
        return {
            int(firsts[one]): Asked(int(targets.times_us[firsts[one]]), self._items(part[order[begin:end]]))
            for one, begin, end in zip(chosen.tolist(), begins.tolist(), ends.tolist(), strict=True)
        }

    def _horizon(self, part: Numbers, most: int) -> dict[int, Asked]:
        """Ask at the beginning of the part what each known user does in it; nothing in it is known by then."""
        targets = self._targets
        known = part[targets.users[part] >= 0]
        bought = known[targets.kinds[known] == _PURCHASE]
        wanted = bought if len(bought) else known
        wanted = wanted[np.argsort(targets.users[wanted], kind="stable")]
        users, begins = np.unique(targets.users[wanted], return_index=True)
        ends = np.r_[begins[1:], len(wanted)]
        everyone, first_places = np.unique(targets.users[known], return_index=True)
        firsts = known[first_places[np.searchsorted(everyone, users)]]
        now_us = int(targets.times_us[part[0]])
        found = {
            int(firsts[one]): Asked(now_us, self._items(wanted[begins[one] : ends[one]]))
            for one in sample(np.arange(len(users)), most, self._parameters.seed).tolist()
        }
        return dict(sorted(found.items()))

    def _items(self, numbers: Numbers) -> frozenset[str]:
        return frozenset(self._targets.item_ids[item] for item in self._targets.items[numbers].tolist())


def sample(numbers: Numbers, most: int, seed: int) -> Numbers:
    """Return at most so many of some numbers, in their order."""
    if len(numbers) <= most:
        return numbers
    return np.sort(np.random.default_rng(seed).choice(numbers, most, replace=False))

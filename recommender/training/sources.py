"""Fits everything that candidates come from on some of the events, and puts it together as a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from recommender.features.session import VISIT_GAP_US
from recommender.model.artifact import Model
from recommender.model.links import Links
from recommender.model.manifest import Manifest
from recommender.model.parts import Parts, no_visits
from recommender.model.ranker import Ranker
from recommender.model.visits import Visits
from recommender.training.dataset import Targets
from recommender.training.embeddings import Embeddings
from recommender.training.fitting import fit_linear, followers

Numbers = npt.NDArray[np.int64]

VISIT_ITEMS = 50
"""Items of a visit or a history that the indexes keep, the latest ones."""
HISTORY_ITEMS = 2_000
"""Items of a history that say what follows what."""
LATEST_EVENTS = 3_000_000
"""Events that the indexes of visits are made of, the latest ones: they stay in the memory of what serves."""


def visit_numbers(targets: Targets, chosen: Numbers) -> Numbers:
    """Return which visit each event belongs to: a session until it pauses for 30 minutes."""
    sessions, times = targets.sessions[chosen], targets.times_us[chosen]
    order = np.lexsort((times, sessions))
    begins = np.ones(len(chosen), np.int64)
    begins[1:] = (np.diff(sessions[order]) != 0) | (np.diff(times[order]) > VISIT_GAP_US)
    numbers = np.empty(len(chosen), np.int64)
    numbers[order] = np.cumsum(begins)
    return numbers


def shopper_numbers(targets: Targets, chosen: Numbers) -> Numbers:
    """Return who did each event: a number for each known user, and for each session of unknown ones."""
    users, sessions = targets.users[chosen].astype(np.int64), targets.sessions[chosen].astype(np.int64)
    return np.where(users >= 0, users, len(targets.user_ids) + sessions)


def histories_matrix(targets: Targets, chosen: Numbers, n_items: int) -> Any:
    """Return scipy.sparse.csr_matrix [n_shoppers, n_items], 1 where a shopper has had to do with an item."""
    _, shoppers = np.unique(shopper_numbers(targets, chosen), return_inverse=True)
    ones = np.ones(len(chosen), np.float32)
    matrix = sp.csr_matrix((ones, (shoppers, targets.items[chosen])), shape=(shoppers.max(initial=0) + 1, n_items))
    matrix.data[:] = 1
    return matrix


def fit_parts(targets: Targets, chosen: Numbers, n_items: int, l2: float, ranker: Ranker | None) -> Parts:
    """Fit what knows items by number on some of the events."""
    latest = chosen[-LATEST_EVENTS:]
    items, times = targets.items[latest], targets.times_us[latest]
    visits = Visits.of_events(visit_numbers(targets, latest), items, times, VISIT_ITEMS)
    known = targets.users[latest] >= 0
    histories = whole = no_visits()
    if known.any():
        user, items, times = targets.users[latest][known], items[known], times[known]
        histories = Visits.of_events(user, items, times, VISIT_ITEMS)
        whole = Visits.of_events(user, items, times, HISTORY_ITEMS)
    return Parts(
        visits,
        histories,
        followers(visits, n_items),
        followers(whole, n_items),
        fit_linear(histories_matrix(targets, chosen, n_items), l2),
        ranker,
    )


def put_together(item_ids: list[str], found: Embeddings, parts: Parts, manifest: Manifest) -> Model:
    """Return the model; an item without a trained feature has a vector of zeros."""
    features = found.items.matrix
    return Model(
        item_ids=item_ids,
        item_vectors=np.asarray(features @ found.item_embeddings, np.float32),
        item_biases=np.asarray(features @ found.item_feature_biases, np.float32),
        shopper_features=found.shopper_features,
        shopper_embeddings=found.shopper_embeddings,
        item_features=found.item_features,
        item_embeddings=found.item_embeddings,
        item_feature_biases=found.item_feature_biases,
        manifest=manifest,
        parts=parts,
        gradients=found.gradients,
        content=Links(
            features.indptr.astype(np.int64), features.indices.astype(np.int32), features.data.astype(np.float32)
        ),
    )

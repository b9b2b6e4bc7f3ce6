"""A LightFM model in training on (state of a shopper, item) examples.

Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; Weston et al.,
"WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011. A shopper's state before an event stands where
LightFM has a user: the state is the weighted sum of its features' embeddings, the item likewise.

To be run in a process of its own: OpenMP, which LightFM uses, may hang in a child forked after it has run.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from lightfm import LightFM

from recommender.model.artifact import Gradients
from recommender.training.encoding import Encoded
from recommender.training.evaluation import Ranks, ranks_by_vectors
from recommender.training.parameters import TrainingParameters

Floats = npt.NDArray[np.float32]


class Examples(NamedTuple):
    """Pairs of a state and an item, in order of time."""

    states: Encoded
    items: Encoded
    """Description of each item, by its number."""
    state_numbers: npt.NDArray[np.int32]
    """Row in ``states`` of each example; several may share one: lines of one order, for instance."""
    item_numbers: npt.NDArray[np.int32]
    weights: Floats


class Embeddings(NamedTuple):
    """What LightFM has learned, by feature."""

    shopper_features: list[str]
    shopper_embeddings: Floats
    """float32 [n_shopper_features, embedding_size]"""
    item_features: list[str]
    item_embeddings: Floats
    """float32 [n_item_features, embedding_size]"""
    item_feature_biases: Floats
    """float32 [n_item_features]"""
    items: Encoded
    """The items' descriptions by the features kept."""
    gradients: Gradients


class Fit:
    """A LightFM model in training on some of the examples."""

    def __init__(self, data: Examples, chosen: npt.NDArray[np.int64], parameters: TrainingParameters) -> None:
        self._data = data
        self._threads = parameters.threads or os.cpu_count() or 1
        states, numbers = data.state_numbers[chosen], data.item_numbers[chosen]
        shape = data.states.matrix.shape[0], data.items.matrix.shape[0]
        self._examples = sp.coo_matrix((np.ones(len(chosen), np.float32), (states, numbers)), shape=shape)
        self._weights = sp.coo_matrix((data.weights[chosen], (states, numbers)), shape=shape)
        used_states = data.states.matrix[np.unique(states)]
        self.states = data.states.keep(np.flatnonzero(used_states.getnnz(axis=0) >= parameters.least_count))
        self.items = _keep_item_features(data.items, np.bincount(numbers, minlength=shape[1]))
        self._model: Any = LightFM(
            no_components=parameters.embedding_size,
            loss="warp",
            learning_rate=parameters.learning_rate,
            max_sampled=parameters.max_sampled,
            random_state=parameters.seed,
        )

    def run_epoch(self) -> None:
        """Go through the examples once."""
        self._model.fit_partial(
            self._examples,
            user_features=self.states.matrix,
            item_features=self.items.matrix,
            sample_weight=self._weights,
            num_threads=self._threads,
        )

    def ranks(self, chosen: npt.NDArray[np.int64], found: Embeddings) -> Ranks:
        """Rank the items for these examples' states; an item without a trained feature is not ranked."""
        shoppers = self.states.matrix[self._data.state_numbers[chosen]] @ found.shopper_embeddings
        trained = np.flatnonzero(self.items.matrix.getnnz(axis=1))
        place = np.full(self.items.matrix.shape[0], -1)
        place[trained] = np.arange(len(trained))
        targets = place[self._data.item_numbers[chosen]]
        items = (self.items.matrix @ found.item_embeddings)[trained]
        biases = (self.items.matrix @ found.item_feature_biases)[trained]
        ranks = ranks_by_vectors(shoppers, items, biases, np.maximum(targets, 0))
        return np.where(targets < 0, np.inf, ranks)

    def embeddings(self) -> Embeddings:
        """Return what has been learned so far."""
        model = self._model
        return Embeddings(
            self.states.features,
            model.user_embeddings.copy(),
            self.items.features,
            model.item_embeddings.copy(),
            model.item_biases.copy(),
            self.items,
            Gradients(
                model.user_embedding_gradients.copy(),
                model.item_embedding_gradients.copy(),
                model.item_bias_gradients.copy(),
            ),
        )


def _keep_item_features(items: Encoded, examples_of_item: npt.NDArray[Any]) -> Encoded:
    """Return the items with the features that some example trains."""
    present = items.matrix.copy()
    present.data[:] = 1
    return items.keep(np.flatnonzero(present.T @ examples_of_item > 0))

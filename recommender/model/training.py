"""Training: a LightFM hybrid with the WARP loss, stopped early on a validation part in time.

Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015; Weston et al.,
"WSABIE: Scaling Up To Large Vocabulary Image Annotation", IJCAI 2011. A shopper's state before an event stands where
LightFM has a user: the state is the weighted sum of its features' embeddings, the item likewise.

To be run in a process of its own: OpenMP, which LightFM uses, may hang in a child forked after it has run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from lightfm import LightFM

from recommender.model.baselines import baseline_metrics
from recommender.model.dataset import TrainingSet
from recommender.model.encoding import Encoded
from recommender.model.evaluation import Ranks, metrics, ndcg, ranks_by_vectors

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Progress = Callable[[str, int, int], None]
"""Is told the stage, the epochs done and the most there can be."""


class TrainingParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How to train. The defaults were chosen on validation parts, see docs/model.md."""

    embedding_size: int = 64
    learning_rate: float = 0.05
    max_sampled: int = 30
    """Negatives that WARP tries for each example."""
    most_epochs: int = 40
    """The number taken where the history spans too few instants to validate."""
    patience: int = 6
    """Epochs without a better validation before training stops."""
    epochs_per_validation: int = 2
    least_count: int = 2
    """Examples that a feature must be part of to get an embedding; features of items are kept from 1 on."""
    most_examples: int = 1_000_000
    validation_examples: int = 2_000
    """Most examples looked at after each epoch."""
    test_examples: int = 5_000
    """Most examples that the figures are taken from."""
    validation_ratio: float = 0.1
    test_ratio: float = 0.1
    seed: int = 1
    threads: int = 0
    """0 for one per processor. With 1 the result is the same each time; with more, threads race."""


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


class Trained(NamedTuple):
    """The outcome of a training."""

    embeddings: Embeddings
    items: Encoded
    """The items' descriptions by the features kept."""
    epochs: int
    metrics: dict[str, float]
    """On the last part in time, by a model that had not seen it; empty where the history spans too few instants."""
    baselines: dict[str, dict[str, float]]


class _Search(NamedTuple):
    epochs: int
    metrics: dict[str, float]
    baselines: dict[str, dict[str, float]]


def train(data: TrainingSet, parameters: TrainingParameters, progress: Progress) -> Trained:
    """Find the number of epochs and the figures on held-out parts in time, then train on everything."""
    search = _search(data, parameters, progress)
    final = _Fit(data, np.arange(len(data.item_numbers)), parameters)
    for epoch in range(1, search.epochs + 1):
        final.run_epoch()
        progress("train", epoch, search.epochs)
    return Trained(final.embeddings(), final.items, *search)


def _search(data: TrainingSet, parameters: TrainingParameters, progress: Progress) -> _Search:
    fitted, validation, test = split_by_time(data, parameters)
    if not len(fitted) or not len(validation):
        return _Search(parameters.most_epochs, {}, {})
    validation = _sample(validation, parameters.validation_examples, parameters.seed)
    test = _sample(test, parameters.test_examples, parameters.seed)
    fit = _Fit(data, fitted, parameters)
    quality, epochs, best = -1.0, 0, None
    for epoch in range(1, parameters.most_epochs + 1):
        fit.run_epoch()
        progress("validate", epoch, parameters.most_epochs)
        if epoch % parameters.epochs_per_validation and epoch < parameters.most_epochs:
            continue
        found = fit.embeddings()
        found_quality = ndcg(fit.ranks(validation, found), 20)
        if best is None or found_quality > quality:
            quality, epochs, best = found_quality, epoch, found
        elif epoch >= epochs + parameters.patience:
            break
    if best is None:
        return _Search(parameters.most_epochs, {}, {})
    return _Search(epochs, metrics(fit.ranks(test, best)), baseline_metrics(data, fitted, test))


def _sample(examples: Rows, most: int, seed: int) -> Rows:
    if len(examples) <= most:
        return examples
    return np.sort(np.random.default_rng(seed).choice(examples, most, replace=False))


def split_by_time(data: TrainingSet, parameters: TrainingParameters) -> tuple[Rows, Rows, Rows]:
    """Return the numbers of the examples to fit, validate and test on; all of one instant are in the same part."""
    times = data.times_us
    last = len(times) - 1
    test_from = times[int(last * (1 - parameters.test_ratio))]
    validate_from = times[int(last * (1 - parameters.test_ratio - parameters.validation_ratio))]
    first, second = np.searchsorted(times, [validate_from, test_from])
    numbers = np.arange(len(times))
    return numbers[:first], numbers[first:second], numbers[second:]


class _Fit:
    """A LightFM model in training on some of the examples."""

    def __init__(self, data: TrainingSet, examples: Rows, parameters: TrainingParameters) -> None:
        self._data = data
        self._threads = parameters.threads or os.cpu_count() or 1
        states, numbers = data.state_numbers[examples], data.item_numbers[examples]
        shape = data.states.matrix.shape[0], len(data.item_ids)
        self._examples = sp.coo_matrix((np.ones(len(examples), np.float32), (states, numbers)), shape=shape)
        self._weights = sp.coo_matrix((data.weights[examples], (states, numbers)), shape=shape)
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

    def ranks(self, examples: Rows, found: Embeddings) -> Ranks:
        """Rank the items for these examples' states; an item without a trained feature is not ranked."""
        shoppers = self.states.matrix[self._data.state_numbers[examples]] @ found.shopper_embeddings
        trained = np.flatnonzero(self.items.matrix.getnnz(axis=1))
        place = np.full(len(self._data.item_ids), -1)
        place[trained] = np.arange(len(trained))
        targets = place[self._data.item_numbers[examples]]
        items = (self.items.matrix @ found.item_embeddings)[trained]
        biases = (self.items.matrix @ found.item_feature_biases)[trained]
        ranks = ranks_by_vectors(shoppers, items, biases, np.maximum(targets, 0))
        return np.where(targets < 0, np.inf, ranks)

    def embeddings(self) -> Embeddings:
        """Return what has been learned so far."""
        return Embeddings(
            self.states.features,
            self._model.user_embeddings.copy(),
            self.items.features,
            self._model.item_embeddings.copy(),
            self._model.item_biases.copy(),
        )


def _keep_item_features(items: Encoded, examples_of_item: npt.NDArray[Any]) -> Encoded:
    """Return the items with the features that some example trains."""
    present = items.matrix.copy()
    present.data[:] = 1
    return items.keep(np.flatnonzero(present.T @ examples_of_item > 0))

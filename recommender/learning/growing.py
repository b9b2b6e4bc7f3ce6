"""A LightFM model that grows: new features of shoppers and of items get embeddings while it is trained.

Source: Kula, "Metadata Embeddings for User and Item Cold-start Recommendations", CBRecSys 2015 (LightFM). LightFM
itself has a fixed number of features, and each of its calls costs time in proportion to it. So each batch is trained
by ``fit_partial`` on a small model of its own: the rows of the features that the batch touches and those of some items
drawn as negatives are gathered, trained and put back. The cost of a batch thus depends neither on how many shoppers
nor on how many items there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from lightfm import LightFM

from recommender.learning.content import ItemContent
from recommender.learning.embeddings import Floats, GrowingEmbeddings, Rows
from recommender.model.description import Description

_PARTS = ("embeddings", "embedding_gradients", "biases", "bias_gradients")


class Diverged(ArithmeticError):
    """Training has led to numbers that are not finite; the model is as it was before."""


class Example(NamedTuple):
    """What a shopper looked like just before an event, and the item of the event."""

    state: Description
    item_id: str
    weight: float
    known: Sequence[str] = ()
    """Other items that the shopper is known to like, which are never drawn as negatives."""


class FitParameters(NamedTuple):
    """How to train on a batch."""

    learning_rate: float = 0.05
    epochs: int = 1
    max_sampled: int = 30
    """Negatives that WARP tries for each example."""
    negatives: int = 2_000
    """Items drawn for a batch, among which WARP looks for negatives."""
    most_features: int = 1_000_000
    """Beyond so many on either side, no more are added until the next full training."""


class GrowingModel:
    """Embeddings of shoppers' and items' features, and what items are described by."""

    def __init__(self, shoppers: GrowingEmbeddings, items: GrowingEmbeddings, seed: int) -> None:
        self.shoppers = shoppers
        self.items = items
        self.content = ItemContent()
        self._negatives = np.random.default_rng(seed)
        self._random = np.random.RandomState(seed)  # LightFM asks for one of this kind

    def describe(self, item_id: str, description: Description) -> None:
        """Take what an item is described by, perhaps anew."""
        columns = [self.items.number(feature) for feature in description]
        self.content.put(item_id, columns, list(description.values()))

    def fit(self, examples: Sequence[Example], parameters: FitParameters) -> int:
        """Train on a batch of examples; return how many it was. Items that are not described are left out.

        Raises:
            Diverged: nothing has changed.
        """
        targets = np.array([self.content.find(example.item_id) for example in examples], np.int64)
        examples = [example for example, target in zip(examples, targets, strict=True) if target >= 0]
        targets = targets[targets >= 0]
        if not len(targets):
            return 0
        states = self._grown_states(examples, parameters.most_features)
        self._wake_items(targets, parameters.most_features)
        rows, known = self._known(examples, targets)
        drawn = self._draw(parameters.negatives)
        local_items, places = np.unique(np.concatenate([targets, known, drawn]), return_inverse=True)
        batch = _Batch(
            states=_Compact.of(states, self.shoppers),
            items=_Compact.of(self.content.matrix(local_items, len(self.items)), self.items),
            rows=np.concatenate([np.arange(len(targets)), rows]).astype(np.int32),
            columns=places[: len(targets) + len(known)].astype(np.int32),
            values=np.concatenate([np.ones(len(targets)), -np.ones(len(known))]).astype(np.float32),
            weights=np.array([example.weight for example in examples] + [1.0] * len(known), np.float32),
        )
        batch.fit(self.shoppers, self.items, parameters, self._random)
        return len(targets)

    def states(self, examples: Iterable[Example]) -> Any:
        """Return the states as scipy.sparse.csr_matrix of shape [n_examples, n_shopper_features]."""
        found = _encode((example.state for example in examples), self.shoppers.find)
        return sp.csr_matrix(found, shape=(len(found[2]) - 1, len(self.shoppers)))

    def item_vectors(self) -> tuple[Floats, Floats]:
        """Return vectors and biases of all items: np.float32 of shapes [n_items, embedding_size] and [n_items]."""
        matrix = self.content.matrix(np.arange(len(self.content)), len(self.items))
        return matrix @ self.items.embeddings, matrix @ self.items.biases

    def scored(self) -> npt.NDArray[np.bool_]:
        """Tell which items have a feature that was trained; the others cannot be scored. np.bool_ [n_items]."""
        matrix = self.content.matrix(np.arange(len(self.content)), len(self.items))
        matrix.data = self.items.is_awake(matrix.indices).astype(np.float32)
        found: npt.NDArray[np.bool_] = np.asarray(matrix.sum(axis=1)).ravel() > 0
        return found

    def _grown_states(self, examples: Sequence[Example], most: int) -> Any:
        full = len(self.shoppers) >= most
        found = _encode((example.state for example in examples), self.shoppers.find if full else self.shoppers.number)
        self.shoppers.wake(found[1].astype(np.int64))
        return sp.csr_matrix(found, shape=(len(examples), len(self.shoppers)))

    def _wake_items(self, targets: Rows, most: int) -> None:
        columns = self.content.matrix(np.unique(targets), len(self.items)).indices.astype(np.int64)
        if self.items.awake < most:
            self.items.wake(columns)

    def _known(self, examples: Sequence[Example], targets: Rows) -> tuple[Rows, Rows]:
        """Return row and item of each known positive which is not the target itself."""
        rows, items = [], []
        for row, (example, target) in enumerate(zip(examples, targets.tolist(), strict=True)):
            for item_id in dict.fromkeys(example.known):
                number = self.content.find(item_id)
                if number >= 0 and number != target:
                    rows.append(row)
                    items.append(number)
        return np.array(rows, np.int64), np.array(items, np.int64)

    def _draw(self, count: int) -> Rows:
        items = len(self.content)
        if count >= items:
            return np.arange(items)
        return self._negatives.choice(items, count, replace=False, shuffle=False)


class _Compact(NamedTuple):
    """A sparse matrix whose columns are numbered anew, without those that none of its rows has."""

    matrix: Any
    numbers: Rows
    """int64 [n_columns], what the columns were before."""

    @classmethod
    def of(cls, matrix: Any, table: GrowingEmbeddings) -> _Compact:
        """Leave out what sleeps and what is not used."""
        kept = table.is_awake(matrix.indices)
        ends = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
        numbers, columns = np.unique(matrix.indices[kept], return_inverse=True)
        entries = matrix.data[kept], columns.astype(np.int32), ends.astype(np.int32)
        return cls(sp.csr_matrix(entries, shape=(matrix.shape[0], len(numbers))), numbers.astype(np.int64))


class _Batch(NamedTuple):
    """A batch as LightFM wants it: rows are states, columns are items; what is below 0 is known and not trained."""

    states: _Compact
    items: _Compact
    rows: npt.NDArray[np.int32]
    columns: npt.NDArray[np.int32]
    values: Floats
    weights: Floats

    def fit(
        self, shoppers: GrowingEmbeddings, items: GrowingEmbeddings, parameters: FitParameters, random: Any
    ) -> None:
        model: Any = LightFM(
            no_components=shoppers.size,
            loss="warp",
            learning_rate=parameters.learning_rate,
            max_sampled=parameters.max_sampled,
            random_state=random,
        )
        for side, table, compact in (("user", shoppers, self.states), ("item", items, self.items)):
            gathered = table.gather(compact.numbers)
            for part, array in zip(_PARTS, gathered, strict=True):
                setattr(model, f"{side}_{part}", array)
            setattr(model, f"{side}_embedding_momentum", np.zeros_like(gathered[0]))
            setattr(model, f"{side}_bias_momentum", np.zeros_like(gathered[2]))
        shape = self.states.matrix.shape[0], self.items.matrix.shape[0]
        try:
            model.fit_partial(
                sp.coo_matrix((self.values, (self.rows, self.columns)), shape=shape),
                user_features=self.states.matrix,
                item_features=self.items.matrix,
                sample_weight=sp.coo_matrix((self.weights, (self.rows, self.columns)), shape=shape),
                epochs=parameters.epochs,
            )
        except ValueError as error:
            raise Diverged(f"learning: {error}") from error
        for side, table, compact in (("user", shoppers, self.states), ("item", items, self.items)):
            table.scatter(compact.numbers, (getattr(model, f"{side}_{part}") for part in _PARTS))


def _encode(descriptions: Iterable[Description], number: Any) -> tuple[Floats, npt.NDArray[np.int32], Rows]:
    """Return weights, feature numbers and ends of rows; features whose number is -1 are left out."""
    columns: list[int] = []
    weights: list[float] = []
    ends = [0]
    for description in descriptions:
        for feature, weight in description.items():
            found = number(feature)
            if found >= 0:
                columns.append(found)
                weights.append(weight)
        ends.append(len(columns))
    return np.array(weights, np.float32), np.array(columns, np.int32), np.array(ends, np.int64)

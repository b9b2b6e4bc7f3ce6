"""Learns from a stream of examples what a model version did not know, and is judged before it learns."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recommender.learning.embeddings import Floats, GrowingEmbeddings, Rows
from recommender.learning.examples import Observed
from recommender.learning.growing import Example, FitParameters, GrowingModel
from recommender.learning.progressive import Progressive
from recommender.learning.visits import RecentVisits
from recommender.model.artifact import Gradients, Model, is_nameless
from recommender.model.description import Description
from recommender.model.links import Links
from recommender.training.evaluation import Ranks, ranks_by_vectors

_CATEGORY, _BRAND = "category=", "brand="
TESTED_EXAMPLES = 200
"""Examples of a batch that both models are tested on, at most [count]."""


class NotLearnable(ValueError):
    """A version was kept without what learning goes on from."""


class Learned(NamedTuple):
    """What a batch came to."""

    examples: int
    tested: int
    test_s: float
    """Processor time that the test took; likewise the training."""
    fit_s: float


class OnlineModel:
    """A model that learns on from a version, beside its parent, which stays as it is.

    Args:
        start: with its gradients and content.
        parent: the version to be compared with; ``start`` itself, or one that ``start`` was learned from.
        parameters: how to train.
        seed: everything drawn by chance follows from it.
        progressive: takes the ranks, if not one of its own.

    Raises:
        NotLearnable: the start has no gradients or no content, or was not learned from the parent.
    """

    def __init__(
        self,
        start: Model,
        parent: Model,
        parameters: FitParameters,
        seed: int = 1,
        progressive: Progressive | None = None,
    ) -> None:
        if start.gradients is None or start.content is None:
            raise NotLearnable(f"model {start.version}: must be kept with its gradients and content to learn on")
        self._parent = _Frozen(parent, start)
        self._start, self.parameters = start, parameters
        self.progressive = progressive or Progressive()
        self.examples = 0
        """Examples trained on so far [count]."""
        self._random = np.random.default_rng(seed)
        gradients = start.gradients
        nothing = np.zeros(len(start.shopper_features), np.float32)
        self.growing = GrowingModel(
            GrowingEmbeddings(
                # LightFM's biases of shoppers are the same for all items, and not kept.
                start.shopper_features,
                start.shopper_embeddings,
                gradients.shopper,
                nothing,
                nothing + 1,
                self._random,
            ),
            GrowingEmbeddings(
                start.item_features,
                start.item_embeddings,
                gradients.item,
                start.item_feature_biases,
                gradients.item_bias,
                self._random,
            ),
            seed,
        )
        self.growing.content.put_all(start.item_ids, start.content)
        self._visits = RecentVisits()

    def describe(self, item_id: str, description: Description, whole: bool) -> None:
        """Take what an item is described by, perhaps anew.

        Args:
            item_id: the item.
            description: by which it is described from now on.
            whole: whether it is the catalogue's. Otherwise it is what events have told, which is not taken for an item
                that the start has: it knows more of it.
        """
        if whole or not 0 <= self.growing.content.find(item_id) < len(self._start.item_ids):
            self.growing.describe(item_id, description)

    def recall(self, item_id: str) -> tuple[str, str]:
        """Return category and brand of an item as far as the model knows them; empty where it does not."""
        number = self.growing.content.find(item_id)
        features = self.growing.content.features(number) if number >= 0 else []
        names = [self.growing.items.names[feature] for feature in features]
        category = max((name for name in names if name.startswith(_CATEGORY)), key=len, default=_CATEGORY)
        brand = next((name for name in names if name.startswith(_BRAND)), _BRAND)
        return category.removeprefix(_CATEGORY), brand.removeprefix(_BRAND)

    def learn(self, batch: Sequence[Observed]) -> Learned:
        """Test on a sample of the batch, then train on all of it.

        Raises:
            Diverged: the model is as it was before.
        """
        began = time.process_time()
        tested = self._test(batch)
        fitted_from = time.process_time()
        examples = self.growing.fit([observed.example for observed in batch], self.parameters)
        fitted = time.process_time()
        self.examples += examples
        for observed in batch:
            item = self.growing.content.find(observed.example.item_id)
            if item >= 0:
                self._visits.add(observed.session, item, observed.time_us)
        return Learned(examples, tested, fitted_from - began, fitted - fitted_from)

    def forget(self, features: Iterable[str]) -> None:
        """Forget features of shoppers: in what has been learned, and in the models that it began with."""
        for feature in features:
            self.growing.shoppers.erase(feature)
            self._start.forget_shopper(feature)
            self._parent.model.forget_shopper(feature)

    def ranks(self, examples: Sequence[Example]) -> tuple[Ranks, Ranks]:
        """Return the ranks of the examples' items among all, by this model and by its parent."""
        growing = self.growing
        states, (vectors, biases) = growing.states(examples), growing.item_vectors()
        targets = np.array([growing.content.find(example.item_id) for example in examples], np.int32)
        own = _ranks(states @ growing.shoppers.embeddings, vectors, biases, targets, self._scored())
        return own, self._parent.ranks(growing, states, targets)

    def model(self) -> Model:
        """Return what has been learned so far as a model to be served: its items begin with those of the start."""
        growing, start = self.growing, self._start
        vectors, biases = growing.item_vectors()
        items = np.flatnonzero(self._scored())
        shopper_features, shopper_rows = growing.shoppers.trained()
        item_features, item_rows = growing.items.trained()
        shoppers = growing.shoppers.gather(shopper_rows)
        embeddings, gradients, feature_biases, bias_gradients = growing.items.gather(item_rows)
        return Model(
            item_ids=[growing.content.item_ids[item] for item in items.tolist()],
            item_vectors=vectors[items],
            item_biases=biases[items],
            shopper_features=shopper_features,
            shopper_embeddings=shoppers[0],
            item_features=item_features,
            item_embeddings=embeddings,
            item_feature_biases=feature_biases,
            manifest=start.manifest,
            parts=self._visits.added_to(start.parts, _places(items, len(growing.content)), len(items)),
            gradients=Gradients(shoppers[1], gradients, bias_gradients),
            content=_links(growing.content.matrix(items, len(growing.items)), _places(item_rows, len(growing.items))),
        )

    def _scored(self) -> npt.NDArray[np.bool_]:
        """Tell which items are served: those with a trained feature, and those of the start, which parts know."""
        scored = self.growing.scored()
        scored[: len(self._start.item_ids)] = True
        return scored

    def _test(self, batch: Sequence[Observed]) -> int:
        tested = batch
        if len(batch) > TESTED_EXAMPLES:
            chosen = self._random.choice(len(batch), TESTED_EXAMPLES, replace=False)
            tested = [batch[number] for number in np.sort(chosen)]
        if tested:
            learning, parent = self.ranks([observed.example for observed in tested])
            shoppers = np.array([observed.shopper for observed in tested], np.int64)
            self.progressive.add(learning, parent, shoppers)
        return len(tested)


class _Frozen:
    """The parent: its features and items are the first ones of the model that learns."""

    def __init__(self, parent: Model, start: Model) -> None:
        self.model = parent
        names = (
            (start.shopper_features, _as_in(start.shopper_features, parent.shopper_features)),
            (start.item_features, parent.item_features),
            (start.item_ids, parent.item_ids),
        )
        if any(later[: len(earlier)] != earlier for later, earlier in names):
            raise NotLearnable(f"model {start.version}: must begin with the features and items of {parent.version}")

    def ranks(self, growing: GrowingModel, states: Any, targets: npt.NDArray[np.int32]) -> Ranks:
        """Rank among the items of the growing model; new ones have the vectors of their content, as serving does it."""
        model = self.model
        shoppers = states[:, : len(model.shopper_features)] @ model.shopper_embeddings
        new = growing.content.matrix(np.arange(len(model.item_ids), len(growing.content)), len(growing.items))
        content = new[:, : len(model.item_features)]
        vectors = np.concatenate([model.item_vectors, content @ model.item_embeddings])
        biases = np.concatenate([model.item_biases, content @ model.item_feature_biases])
        scored = np.concatenate([np.ones(len(model.item_ids), bool), content.getnnz(axis=1) > 0])
        return _ranks(shoppers, vectors, biases, targets, scored)


def _as_in(later: Sequence[str], earlier: Sequence[str]) -> list[str]:
    """Return the features of an earlier version without those that were erased since, or not in the later one yet."""
    pairs = zip(earlier, later, strict=False)
    told = [name if name == after or not (is_nameless(name) or is_nameless(after)) else after for name, after in pairs]
    return [*told, *earlier[len(told) :]]


def _ranks(
    shoppers: Floats, vectors: Floats, biases: Floats, targets: npt.NDArray[np.int32], scored: npt.NDArray[np.bool_]
) -> Ranks:
    """Rank among the items that are scored; the others have no rank, nor have items that are not described."""
    biases = np.where(scored, biases, -np.inf).astype(np.float32)
    ranks = ranks_by_vectors(shoppers, vectors, biases, np.maximum(targets, 0))
    found: Ranks = np.where((targets >= 0) & scored[targets], ranks, np.inf)
    return found


def _places(numbers: Rows, count: int) -> Rows:
    """Return the place of each of ``count`` numbers among the chosen ones, -1 for those not chosen."""
    places = np.full(count, -1)
    places[numbers] = np.arange(len(numbers))
    return places


def _links(content: Any, places: Rows) -> Links:
    """Return the content with the features numbered anew, without those that have no place."""
    columns = places[content.indices]
    kept = columns >= 0
    starts = np.concatenate([[0], np.cumsum(kept)])[content.indptr]
    return Links(starts.astype(np.int64), columns[kept].astype(np.int32), content.data[kept])

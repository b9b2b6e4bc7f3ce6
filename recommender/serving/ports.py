"""What serving needs of the feature store and of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from recommender.features import FeatureRow
from recommender.model.parts import Parts

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
"""Row numbers of the item table."""
Scores = npt.NDArray[np.float64]

R = TypeVar("R", bound=FeatureRow)


class ItemFeatures(Protocol):
    """Reads feature rows of items; blocking."""

    def read(self, row_type: type[R], keys: Sequence[str]) -> list[R | None]:
        """Return one row for each key, None where nothing is stored."""

    def item_ids(self) -> list[str]:
        """Return all items that have rows."""

    def item_count(self) -> int:
        """Return how many these are."""


class ServableModel(Protocol):
    """A trained model, loaded."""

    @property
    def version(self) -> str:
        """Its name in the registry."""

    @property
    def item_ids(self) -> Sequence[str]:
        """The items that it was trained on."""

    @property
    def item_vectors(self) -> Floats:
        """np.float32 array of shape [n_items, embedding_size]."""

    @property
    def item_biases(self) -> Floats:
        """np.float32 array of shape [n_items]."""

    @property
    def parts(self) -> Parts:
        """What knows items by their number, the place in ``item_ids``."""

    def user_vector(self, description: Mapping[str, float]) -> tuple[Floats, bool]:
        """Return the shopper's vector and whether the model knows anything of the description."""

    def item_vector(self, description: Mapping[str, float]) -> tuple[Floats, float, bool]:
        """Return vector and bias of an item not trained on, and whether the model knows anything of it."""

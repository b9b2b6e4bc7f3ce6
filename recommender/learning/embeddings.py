"""Embeddings by feature name, in arrays that grow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from recommender.model.artifact import nameless

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_FIRST_ROWS = 1_024


class GrowingEmbeddings:
    """What LightFM keeps of features: embeddings, biases, and the sums of squared gradients of both.

    A feature may have a number before it has been trained. Until it is woken it is asleep: its row is zero, so that it
    changes no sum, and training leaves it alone. Arrays are doubled when they are full, so that the cost of a new
    feature does not depend on how many there are.

    Args:
        features: names of the features that have been trained.
        embeddings: np.float32 array of shape [n_features, embedding_size].
        gradients: of the same shape; sums of squared gradients from 1 on, as Adagrad has them.
        biases: np.float32 array of shape [n_features].
        bias_gradients: of the same shape.
        random: draws the embeddings of new features.
    """

    def __init__(
        self,
        features: Sequence[str],
        embeddings: Floats,
        gradients: Floats,
        biases: Floats,
        bias_gradients: Floats,
        random: np.random.Generator,
    ) -> None:
        self.names = list(features)
        """Features by number."""
        self._numbers = {feature: number for number, feature in enumerate(features)}
        self._random = random
        count, self.size = embeddings.shape
        self._arrays = [
            np.zeros((0, self.size), np.float32),
            np.zeros((0, self.size), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.float32),
        ]
        self._awake = np.zeros(0, bool)
        self._reserve(count)
        self._awake[:count] = True
        for array, given in zip(self._arrays, (embeddings, gradients, biases, bias_gradients), strict=True):
            array[:count] = given
        self.awake = count
        """Features that have been trained [count]."""

    def __len__(self) -> int:
        """Return how many features have a number, trained or not."""
        return len(self.names)

    @property
    def embeddings(self) -> Floats:
        """np.float32 array of shape [n_features, embedding_size]; zero where asleep. A view, until it grows."""
        return self._arrays[0][: len(self)]

    @property
    def gradients(self) -> Floats:
        """np.float32 array of shape [n_features, embedding_size]. A view."""
        return self._arrays[1][: len(self)]

    @property
    def biases(self) -> Floats:
        """np.float32 array of shape [n_features]; zero where asleep. A view."""
        return self._arrays[2][: len(self)]

    @property
    def bias_gradients(self) -> Floats:
        """np.float32 array of shape [n_features]. A view."""
        return self._arrays[3][: len(self)]

    @property
    def nbytes(self) -> int:
        """Size of the arrays, with the room that is left in them [bytes]."""
        return sum(array.nbytes for array in (*self._arrays, self._awake))

    def number(self, feature: str) -> int:
        """Return a feature's number; a new feature sleeps."""
        number = self._numbers.get(feature)
        if number is None:
            number = self._numbers[feature] = len(self.names)
            self.names.append(feature)
            self._reserve(number + 1)
        return number

    def erase(self, feature: str) -> None:
        """Forget a feature: at its number nothing is left of it, neither a name nor an embedding."""
        number = self._numbers.pop(feature, None)
        if number is None:
            return
        self.names[number] = nameless(number)
        for array, nothing in zip(self._arrays, (0.0, 1.0, 0.0, 1.0), strict=True):
            array[number] = nothing

    def find(self, feature: str) -> int:
        """Return the number of a feature that has been trained, or -1."""
        number = self._numbers.get(feature, -1)
        return number if number >= 0 and self._awake[number] else -1

    def is_awake(self, numbers: Rows) -> npt.NDArray[np.bool_]:
        """Tell which of these features have been trained."""
        found: npt.NDArray[np.bool_] = self._awake[numbers]
        return found

    def wake(self, numbers: Rows) -> None:
        """Give those that sleep an embedding, as LightFM would at its start."""
        asleep = np.unique(numbers[~self._awake[numbers]])
        if not len(asleep):
            return
        embeddings, gradients, _, bias_gradients = self._arrays
        embeddings[asleep] = (self._random.random((len(asleep), self.size), np.float32) - np.float32(0.5)) / self.size
        gradients[asleep] = 1.0
        bias_gradients[asleep] = 1.0
        self._awake[asleep] = True
        self.awake += len(asleep)

    def gather(self, numbers: Rows) -> list[Floats]:
        """Return copies of these rows: embeddings, gradients, biases, bias gradients."""
        return [array[numbers] for array in self._arrays]

    def scatter(self, numbers: Rows, rows: Iterable[Floats]) -> None:
        """Put rows back; as ``gather`` returns them."""
        for array, changed in zip(self._arrays, rows, strict=True):
            array[numbers] = changed

    def trained(self) -> tuple[list[str], Rows]:
        """Return the names and the numbers of the features that have been trained, in the order of their numbers."""
        numbers = np.flatnonzero(self._awake[: len(self)])
        return [self.names[number] for number in numbers.tolist()], numbers

    def _reserve(self, rows: int) -> None:
        room = len(self._awake)
        if rows <= room:
            return
        more = max(rows - room, room, _FIRST_ROWS)
        self._arrays = [
            np.concatenate([array, np.zeros((more, *array.shape[1:]), np.float32)]) for array in self._arrays
        ]
        self._awake = np.concatenate([self._awake, np.zeros(more, bool)])
